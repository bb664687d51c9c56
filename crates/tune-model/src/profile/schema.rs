//! JSON Schema of profiles, made from the settings and the catalogs.

use serde_json::{Map, Value, json};

use super::document::Key;
use super::native;
use super::value::Shape;
use super::{Catalogs, Severity};
use crate::catalog::{Catalog, Tunable};
use crate::setting::{Kind, Setting};
use crate::system::System;

/// Returns the JSON Schema (draft 2020-12) of profiles, with every setting and catalogued tunable by name.
///
/// It cannot say what takes arithmetic: empty ranges, preferences outside of bounds, names that differ from the file.
#[must_use]
pub fn schema(catalogs: Catalogs) -> Value {
    let mut properties = Map::new();
    properties.insert(
        "name".into(),
        json!({
            "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
            "description": "The profile's name: that of its file, without .toml.",
        }),
    );
    properties
        .insert("summary".into(), json!({"type": "string", "description": "What it is for, in a line."}));
    properties.insert(
        "extends".into(),
        json!({
            "type": "array", "items": {"type": "string"}, "uniqueItems": true,
            "description": "Profiles whose requirements hold too; later ones win over earlier ones.",
        }),
    );
    properties.insert("settings".into(), json!({"$ref": "#/$defs/settings"}));
    for system in System::ALL {
        properties.insert(system.name().into(), system_tables(*system, catalogs(*system)));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tune:profile/1",
        "title": "Profile of tune",
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions(),
    })
}

fn definitions() -> Value {
    let settings: Map<_, _> =
        Setting::ALL.iter().map(|setting| (setting.name().to_owned(), portable(*setting))).collect();
    json!({
        "settings": {"type": "object", "additionalProperties": false, "properties": settings},
        "removal": {
            "type": "object", "additionalProperties": false, "required": ["remove"],
            "properties": {"remove": {"const": true, "description": Key::Remove.meaning()}},
        },
        "optional": described(json!({"type": "boolean"}), Key::Optional.meaning()),
        "severity": described(json!({"enum": Severity::ALL.map(Severity::name)}), Key::Severity.meaning()),
        "why": described(json!({"type": "string"}), Key::Why.meaning()),
        "reference": described(json!({"type": "string"}), Key::Reference.meaning()),
        "flag": described(json!({"type": "boolean"}), Key::Uncatalogued.meaning()),
        "bounds_or_exactly": {
            "anyOf": [{"required": ["exactly"]}, {"required": ["at_least"]}, {"required": ["at_most"]}],
            "dependentSchemas": {"exactly": {"properties": {"at_least": false, "at_most": false, "prefer": false}}},
        },
        "duration": requirement(&scalar(Shape::Portable(Kind::Duration)), None, true),
        "count": scaling(Shape::Portable(Kind::Count)),
        "bytes": scaling(Shape::Portable(Kind::Bytes)),
        "switch": requirement(&scalar(Shape::Portable(Kind::Switch)), None, false),
        "ports": requirement(&scalar(Shape::Portable(Kind::Ports)), None, true),
        "uncatalogued": uncatalogued(),
        "unlisted": with_flag(scaling(Shape::Integer)),
    })
}

fn portable(setting: Setting) -> Value {
    let definition = match setting.kind() {
        Kind::Duration => "duration",
        Kind::Count | Kind::Native => "count",
        Kind::Bytes => "bytes",
        Kind::Switch => "switch",
        Kind::Ports | Kind::Text => "ports",
    };
    json!({"description": setting.meaning(), "$ref": format!("#/$defs/{definition}")})
}

const SIZE: &str = r"([0-9]+\s*(B|[KMGT]iB|[kKMGT]B)\s*)+";
/// Ports from 1024 on.
const PORT: &str = "0*(102[4-9]|10[3-9][0-9]|1[1-9][0-9]{2}|[2-9][0-9]{3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}\
                    |655[0-2][0-9]|6553[0-5])";

/// Returns the schema of one value.
fn scalar(shape: Shape) -> Value {
    let text = |pattern: String| json!({"type": "string", "pattern": pattern});
    // Zero would be read but refused, so some digit must be another.
    let positive =
        |pattern: String| json!({"type": "string", "allOf": [{"pattern": pattern}, {"pattern": "[1-9]"}]});
    match shape {
        Shape::Portable(Kind::Duration) => positive(r"^\s*([0-9]+\s*(d|h|min|m|s|ms)\s*)+$".into()),
        Shape::Portable(Kind::Bytes) => positive(format!(r"^\s*{SIZE}$")),
        Shape::Portable(Kind::Ports) => text(format!(r"^\s*{PORT}\s*-\s*{PORT}\s*$")),
        Shape::Portable(Kind::Switch) => json!({"type": "boolean"}),
        Shape::Portable(_) => json!({"type": "integer", "minimum": 1}),
        Shape::Integer => json!({"type": "integer"}),
        Shape::Pages => text(format!(r"^\s*([0-9]+\s*pages|{SIZE})\s*$")),
        Shape::Text => text(r"^\s*([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?\s*$".into()),
    }
}

/// Returns the schema of a requirement whose bounds may follow the memory of the host.
fn scaling(shape: Shape) -> Value {
    requirement(&scalar(shape), Some(&scaled(shape)), true)
}

fn scaled(shape: Shape) -> Value {
    let amount = match shape {
        Shape::Portable(_) => scalar(shape),
        Shape::Pages => json!({"type": "string", "pattern": r"^\s*0*[1-9][0-9]*\s*pages\s*$"}),
        _ => json!({"type": "integer", "minimum": 1}),
    };
    json!({
        "type": "object", "required": ["per_gib_of_ram"], "additionalProperties": false,
        "properties": {"per_gib_of_ram": amount, "min": amount, "max": amount},
    })
}

/// Returns the schema of a requirement: a value alone, a table of keys, or a removal.
fn requirement(value: &Value, scaled: Option<&Value>, ordered: bool) -> Value {
    let exactly = json!({"anyOf": [value, {"const": "vendor-default"}]});
    let bound = scaled.map_or_else(|| value.clone(), |scaled| json!({"anyOf": [value, scaled]}));
    let mut properties = Map::new();
    for key in Key::ALL {
        let of = match key {
            Key::Exactly => exactly.clone(),
            Key::AtLeast | Key::AtMost if ordered => bound.clone(),
            Key::Prefer if ordered => value.clone(),
            Key::AtLeast | Key::AtMost | Key::Prefer | Key::Uncatalogued | Key::Remove => continue,
            shared => {
                properties.insert(shared.name().into(), json!({"$ref": format!("#/$defs/{shared}")}));
                continue;
            }
        };
        properties.insert(key.name().into(), described(of, key.meaning()));
    }
    json!({"anyOf": [exactly, {
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "$ref": "#/$defs/bounds_or_exactly",
    }, {"$ref": "#/$defs/removal"}]})
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.into();
    schema
}

/// Lets a native requirement say `uncatalogued`.
fn with_flag(mut requirement: Value) -> Value {
    requirement["anyOf"][1]["properties"][Key::Uncatalogued.name()] = json!({"$ref": "#/$defs/flag"});
    requirement
}

/// Returns the schema of a requirement on a tunable that the catalog does not have, which must say so.
fn uncatalogued() -> Value {
    let mut requirement = with_flag(scaling(Shape::Integer));
    let mut table = requirement["anyOf"][1].take();
    table["properties"][Key::Uncatalogued.name()]["const"] = true.into();
    table["required"] = json!([Key::Uncatalogued.name()]);
    json!({"anyOf": [table, {"$ref": "#/$defs/removal"}]})
}

fn system_tables(system: System, catalog: &Catalog) -> Value {
    let (key, native) = match system {
        System::Solaris => ("ipadm", protocols(catalog)),
        _ => ("sysctl", natives(system, catalog, "")),
    };
    json!({
        "type": "object", "additionalProperties": false,
        "description": format!("What holds on {system} only."),
        "properties": {"settings": {"$ref": "#/$defs/settings"}, key: native},
    })
}

fn protocols(catalog: &Catalog) -> Value {
    let of = |protocol: &&str| {
        ((*protocol).to_owned(), natives(System::Solaris, catalog, &format!("ipadm.{protocol}.")))
    };
    let properties: Map<_, _> = native::IPADM_PROTOCOLS.iter().map(of).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// Returns the schema of a table of native tunables, whose names there lack `prefix`.
fn natives(system: System, catalog: &Catalog, prefix: &str) -> Value {
    let mut properties = Map::new();
    for row in catalog.iter() {
        if let Some(name) = row.name.strip_prefix(prefix) {
            add_row(&mut properties, name, row);
        }
    }
    let others = if catalog.is_empty() { "unlisted" } else { "uncatalogued" };
    let mut names = json!({"anyOf": [{"pattern": name_pattern(system, prefix)}]});
    if !properties.is_empty() {
        let listed: Vec<_> = properties.keys().cloned().collect();
        names["anyOf"] = json!([{"pattern": name_pattern(system, prefix)}, {"enum": listed}]);
    }
    let removed: Vec<_> = native::removed(system).collect();
    if !removed.is_empty() {
        names["not"] = json!({"enum": removed});
    }
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": {"$ref": format!("#/$defs/{others}")},
        "propertyNames": names,
    })
}

fn name_pattern(system: System, prefix: &str) -> String {
    const WORD: &str = "[A-Za-z0-9_-]+";
    if !prefix.is_empty() {
        return format!(r"^{WORD}(\.{WORD})*$");
    }
    let starts: Vec<_> = native::prefixes(system).iter().map(|prefix| prefix.replace('.', r"\.")).collect();
    format!(r"^({}){WORD}(\.{WORD})*$", starts.join("|"))
}

/// Adds a tunable under its name and, where it has fields, under the names of these.
fn add_row(properties: &mut Map<String, Value>, name: &str, row: &Tunable) {
    let shape = native::shape(row);
    if row.fields.is_empty() {
        properties.insert(name.to_owned(), described(field(row, shape, None), &row.meaning));
        return;
    }
    properties.insert(
        name.to_owned(),
        described(with_flag(requirement(&row_of_values(row, shape), None, true)), &row.meaning),
    );
    for (at, field_name) in row.fields.iter().enumerate() {
        for index in [&at.to_string(), field_name] {
            properties
                .insert(format!("{name}[{index}]"), described(field(row, shape, Some(at)), &row.meaning));
        }
    }
}

/// Returns the schema of a requirement on one field, or on a tunable without fields.
fn field(row: &Tunable, shape: Shape, at: Option<usize>) -> Value {
    if shape == Shape::Text {
        return with_flag(requirement(&scalar(shape), None, false));
    }
    with_flag(requirement(&value_of(row, shape, at), Some(&scaled(shape)), true))
}

fn value_of(row: &Tunable, shape: Shape, at: Option<usize>) -> Value {
    let mut value = scalar(shape);
    if let (Shape::Integer, Some((low, high))) = (shape, row.allowed_in(at).or_else(|| row.accepted_in(at))) {
        for (key, bound) in [("minimum", low), ("maximum", high)] {
            // Beyond what JSON numbers hold there is nothing to keep out.
            if let Ok(bound) = i64::try_from(bound) {
                value[key] = bound.into();
            }
        }
    }
    value
}

/// Returns the schema of one value for each field: a list, or a text as the system shows it.
fn row_of_values(row: &Tunable, shape: Shape) -> Value {
    let count = row.fields.len();
    let items: Vec<_> = (0..count).map(|at| value_of(row, shape, Some(at))).collect();
    let more = count - 1;
    let text = match shape {
        Shape::Pages => {
            let size = "([0-9]+(B|[KMGT]iB|[kKMGT]B))+";
            let each = format!(r"({size}|[0-9]+(\s+pages)?)");
            format!(r"^\s*({size}(\s+{size}){{{more}}}|({each}\s+){{{more}}}[0-9]+\s+pages)\s*$")
        }
        _ => format!(r"^\s*-?[0-9]+(\s+-?[0-9]+){{{more}}}\s*$"),
    };
    json!({"anyOf": [
        {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count},
        {"type": "string", "pattern": text},
    ]})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use boon::{Compiler, SchemaIndex, Schemas};

    use super::super::testing::{MISTAKES, catalogs};
    use super::super::{BuiltIn, InMemory, Library, check, starter};
    use super::*;

    struct Validator(Schemas, SchemaIndex);

    impl Validator {
        fn new(catalogs: Catalogs) -> Self {
            let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
            compiler.add_resource("profile.json", schema(catalogs)).unwrap();
            let index = compiler.compile("profile.json", &mut schemas).unwrap();
            Self(schemas, index)
        }

        fn check(&self, text: &str) -> Result<(), String> {
            let profile: Value = toml::from_str(text).map_err(|error| error.to_string())?;
            self.0.validate(&profile, self.1).map_err(|error| format!("{error:#}\n{text}"))
        }
    }

    #[test]
    fn shipped_profiles_and_the_starter_are_valid() {
        let validator = Validator::new(Catalog::of);
        for name in BuiltIn.names() {
            validator.check(BuiltIn::text(&name).unwrap()).unwrap();
        }
        validator.check(&starter("p")).unwrap();
    }

    #[test]
    fn every_form_of_a_value_is_valid() {
        let validator = Validator::new(catalogs);
        for body in [
            "settings.\"tcp.keepalive_idle\" = \"1h 30min\"",
            "settings.\"tcp.keepalive_idle\" = \"vendor-default\"",
            "settings.\"tcp.keepalive_idle\".remove = true",
            "settings.\"tcp.keepalive_default_on\" = false",
            "settings.\"tcp.ephemeral_ports\" = \"1024 - 65535\"",
            "settings.\"tcp.listen_backlog\" = { at_least = 1, at_most = 9, prefer = 5, why = \"x\", severity = \"low\" }",
            "settings.\"net.tcp_memory_limit\".at_least = { per_gib_of_ram = \"64MiB\", min = \"1 GiB\" }",
            "linux.sysctl.\"net.ipv4.tcp_fin_timeout\" = 30",
            "linux.sysctl.\"net.ipv4.tcp_rmem\" = \"4096 131072\\t6291456\"",
            "linux.sysctl.\"net.ipv4.tcp_rmem\" = { at_least = [4096, 131072, 6291456] }",
            "linux.sysctl.\"net.ipv4.tcp_rmem[2]\".at_least = { per_gib_of_ram = 4096 }",
            "linux.sysctl.\"net.ipv4.tcp_rmem[max]\" = 8192",
            "linux.sysctl.\"net.ipv4.tcp_mem\" = \"1GiB 2GiB 300000 pages\"",
            "linux.sysctl.\"net.ipv4.tcp_mem\" = [\"1GiB\", \"2GiB\", \"300000 pages\"]",
            "linux.sysctl.\"net.ipv4.tcp_mem[1]\" = \"300000 pages\"",
            "linux.sysctl.\"net.ipv4.ip_local_reserved_ports\" = \"8080,9000-9010\"",
            "linux.sysctl.\"net.ipv4.foo\" = { exactly = -1, uncatalogued = true }",
            "linux.sysctl.\"net.ipv4.foo\".remove = true",
            "freebsd.sysctl.\"net.inet.tcp.msl\" = 15000",
            "solaris.ipadm.tcp.\"_rexmit_interval_min\" = { at_least = 400, uncatalogued = true }",
        ] {
            validator.check(&format!("name = \"p\"\n{body}")).unwrap();
            let found = super::super::testing::mistakes(body);
            assert!(found.is_empty(), "{found}");
        }
    }

    #[test]
    fn a_profile_with_tables_for_every_system_is_valid() {
        let text = r#"name = "p"
summary = "HTTP server facing browsers and mobile clients"
extends = ["baseline"]
[settings."tcp.fin_wait_2_timeout"]
at_most = "30s"
why = "Orphaned FIN_WAIT_2 sockets hold kernel memory until this runs out."
severity = "high"
reference = "Apache httpd, Connections in FIN_WAIT_2"
[settings."net.mbuf_clusters"]
at_least = { per_gib_of_ram = 16384, min = 65536, max = 2097152 }
optional = true
[linux.settings."tcp.listen_backlog"]
at_least = 8192
[linux.sysctl."net.ipv4.tcp_tw_reuse"]
exactly = 2
[freebsd.sysctl."net.inet.tcp.msl"]
exactly = 15000
[solaris.ipadm.tcp."_rexmit_interval_min"]
at_least = 400
"#;
        Validator::new(Catalog::of).check(text).unwrap();
        let library = InMemory::default().with("baseline", "name = \"baseline\"").with("p", text);
        let found = check(&library, Catalog::of, "p").unwrap();
        assert!(found.is_empty(), "{found}");
    }

    #[test]
    fn mistakes_that_a_schema_can_express_are_not_valid() {
        // These take arithmetic.
        const BEYOND: &[&str] = &[
            "is not a port range",
            "is below min",
            "prefer is outside",
            "no whole number of pages",
            "1MiB is outside",
            "80 is outside",
            "70000 is outside",
        ];
        let validator = Validator::new(catalogs);
        let expressible =
            MISTAKES.iter().filter(|(.., message, _)| !BEYOND.iter().any(|part| message.contains(part)));
        let valid: Vec<_> = expressible
            .map(|(body, ..)| *body)
            .filter(|body| validator.check(&format!("name = \"p\"\n{body}")).is_ok())
            .collect();
        assert_eq!(valid, [""; 0]);
        for text in ["summary = \"no name\"", "name = \"../x\"", "name = \"p\"\nsumary = \"x\""] {
            assert!(validator.check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_published_schema_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemas/profile.schema.json");
        let text = format!("{:#}\n", schema(Catalog::of));
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, &text).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(published == text, "{path} is out of date: run the tests once with UPDATE_SCHEMAS=1");
    }
}
