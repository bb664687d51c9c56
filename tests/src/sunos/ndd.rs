//! `ndd`: its arguments, which never changed.

use super::said::Said;

const USAGE: &str = "usage: ndd -set device_name name value\n       ndd [-get] device_name name [name ...]";

/// What ndd is asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    /// Show properties of a device.
    Get(&'a str, &'a [String]),
    /// Set a property of a device.
    Set(&'a str, &'a str, &'a str),
}

/// What ndd does with a request for one name.
pub(super) type Answer = Result<String, Said>;

/// A kind of ndd.
pub(super) trait Ndd {
    /// Opens a device; else says why not.
    fn open(&self, device: &str) -> Result<(), Said>;
    /// Shows a property, with the end of the line.
    fn get(&mut self, device: &str, name: &str) -> Answer;
    /// Sets a property.
    fn set(&mut self, device: &str, name: &str, value: &str) -> Answer;
}

/// Runs a kind of ndd with the words after its name.
pub(super) fn run(ndd: &mut impl Ndd, words: &[String]) -> Said {
    match request(ndd, words) {
        Ok(Request::Set(device, name, value)) => match obsolete(name) {
            Some(said) => said,
            None => ndd.set(device, name, value).map_or_else(|said| said, Said::out),
        },
        Ok(Request::Get(device, names)) => get(ndd, device, names),
        Err(said) => said,
    }
}

/// Shows several properties, with a blank line between each two, and stops at the first that fails.
fn get(ndd: &mut impl Ndd, device: &str, names: &[String]) -> Said {
    let mut said = Said::default();
    for (place, name) in names.iter().enumerate() {
        if place > 0 {
            said.out.push(b'\n');
        }
        match obsolete(name).map_or_else(|| ndd.get(device, name), Err) {
            Ok(shown) => said.out.extend_from_slice(shown.as_bytes()),
            Err(failed) if failed.code == super::UNMODELLED => return failed,
            Err(failed) => {
                said.out.extend_from_slice(&failed.out);
                return Said { out: said.out, ..failed };
            }
        }
    }
    said
}

/// These two have a text of their own, which was not recorded.
fn obsolete(name: &str) -> Option<Said> {
    ["ip_enable_group_ifs", "ifgrp_status"].contains(&name).then(|| Said::unmodelled(&format!("ndd {name}")))
}

fn request<'a>(ndd: &impl Ndd, words: &'a [String]) -> Result<Request<'a>, Said> {
    let usage = || Said::failed(USAGE);
    // It would ask on the terminal; what it reads ends at once.
    let asks = |question: &str| Said::out(question);
    let Some(first) = words.first() else { return Err(asks("module to query ? ")) };
    // Three letters after the dash count.
    let (sets, words) = match first.strip_prefix('-') {
        Some(verb) if verb.starts_with("set") => (true, &words[1..]),
        Some(verb) if verb.starts_with("get") => (false, &words[1..]),
        Some(_) => return Err(usage()),
        None => (false, words),
    };
    let (device, names) = words.split_first().ok_or_else(usage)?;
    ndd.open(device)?;
    let Some(name) = names.first() else { return Err(asks("name to get/set ? ")) };
    if !sets {
        return Ok(Request::Get(device, names));
    }
    let value = names.get(1).ok_or_else(usage)?;
    Ok(Request::Set(device, name, value))
}

/// Opens what is no device of the network: nothing that is there is a stream.
pub(super) fn open_other(device: &str) -> Said {
    match device {
        "/dev/null" => Said::failed(&format!("{device} is not a streams device")),
        _ => Said::failed(&format!("open of {device} failed: No such file or directory")),
    }
}
