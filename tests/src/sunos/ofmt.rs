//! Columns, for people and for programs, as libinetutil prints them.

/// A column: its name and how wide it is for people.
type Column = (&'static str, usize);

/// The columns of properties.
pub(super) const COLUMNS: &[Column] = &[
    ("PROTO", 6),
    ("PROPERTY", 22),
    ("PERM", 5),
    ("CURRENT", 13),
    ("PERSISTENT", 13),
    ("DEFAULT", 13),
    ("POSSIBLE", 15),
];

/// How many rows a window has where there is none.
const WINDOW: usize = 24;

/// The most lines that a value is broken into.
const LINES: usize = 128;

/// What came of asking for columns.
pub(super) enum Opened {
    /// They can be printed, after a warning if there is one.
    Table(Table, Option<String>),
    /// They cannot.
    Refused(String),
    /// The library would do something that nobody can foresee.
    Unmodelled(String),
}

/// Columns that are printed.
pub(super) struct Table {
    columns: Vec<Column>,
    parsable: bool,
    rows: usize,
    overflow: usize,
    out: String,
}

impl Table {
    /// Chooses columns by name; all where none is named.
    pub(super) fn open(names: Option<&str>, parsable: bool) -> Opened {
        let refused = |text: &str| Opened::Refused(text.to_owned());
        match names {
            None | Some("") if parsable => {
                return refused("output fields must be specified in parsable mode");
            }
            Some("all") if parsable => return refused("output field `all' invalid in parsable mode"),
            None | Some("all") => return Opened::Table(Self::of(COLUMNS.to_vec(), parsable), None),
            Some("") => return Opened::Unmodelled("no output field, for people".to_owned()),
            Some(_) => {}
        }
        let asked: Vec<&str> = names.unwrap_or_default().split(',').filter(|name| !name.is_empty()).collect();
        if asked.len() > COLUMNS.len() {
            return Opened::Unmodelled(format!("{} output fields", asked.len()));
        }
        let find = |name: &&str| COLUMNS.iter().find(|column| column.0.eq_ignore_ascii_case(name));
        let columns: Vec<Column> = asked.iter().filter_map(|name| find(name).copied()).collect();
        let bad: Vec<String> =
            asked.iter().filter(|name| find(name).is_none()).map(|name| format!("`{name}'")).collect();
        if columns.is_empty() {
            return refused("no valid output fields");
        }
        if bad.iter().any(|name| name.contains('%')) {
            return Opened::Unmodelled("an unknown output field that is a format".to_owned());
        }
        let what = format!("unknown output field{}: {}", if bad.len() > 1 { "s" } else { "" }, bad.join(" "));
        match (bad.is_empty(), parsable) {
            (true, _) => Opened::Table(Self::of(columns, parsable), None),
            (false, true) => Opened::Refused(what),
            (false, false) => Opened::Table(Self::of(columns, parsable), Some(format!("ignoring {what}"))),
        }
    }

    fn of(columns: Vec<Column>, parsable: bool) -> Self {
        Self { columns, parsable, rows: 0, overflow: 0, out: String::new() }
    }

    /// Returns the columns by name.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.0).collect()
    }

    /// Returns what was printed.
    pub(super) fn printed(self) -> String {
        self.out
    }

    /// Prints one row: a value for each column, `None` where it could not be had.
    pub(super) fn print(&mut self, values: &[Option<String>]) {
        if self.parsable {
            self.row_for_programs(values);
        } else {
            self.row_for_people(values);
        }
    }

    /// What is between two colons has its colons and backslashes escaped; a single field is as it is.
    fn row_for_programs(&mut self, values: &[Option<String>]) {
        let several = self.columns.len() > 1;
        let escaped = |value: &str| value.replace('\\', "\\\\").replace(':', "\\:");
        let fields: Vec<String> = values
            .iter()
            .map(|value| value.as_deref().unwrap_or("?"))
            .map(|value| if several { escaped(value) } else { value.to_owned() })
            .collect();
        self.out += &fields.join(":");
        self.out.push('\n');
    }

    fn row_for_people(&mut self, values: &[Option<String>]) {
        if self.rows.is_multiple_of(WINDOW) {
            let names: Vec<&str> = self.columns.iter().map(|column| column.0).collect();
            self.line(&names);
            self.rows += 1;
        }
        self.rows += 1;
        let widths = self.columns.iter().map(|column| column.1);
        let cells: Vec<Vec<String>> =
            values.iter().zip(widths).map(|(value, width)| cell(value, width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for place in 0..height {
            let line: Vec<&str> =
                cells.iter().map(|cell| cell.get(place).map_or("", String::as_str)).collect();
            self.line(&line);
        }
    }

    /// Prints one line; a value that is too wide pushes the others, as far as they have no room to spare.
    fn line(&mut self, values: &[&str]) {
        let last = self.columns.len() - 1;
        for (place, value) in values.iter().enumerate() {
            let mut width = self.columns[place].1;
            if place == last {
                self.out += value;
                self.overflow = 0;
            } else if value.len() + self.overflow >= width {
                self.overflow = self.overflow + value.len() + 1 - width;
                self.out += value;
                self.out.push(' ');
            } else {
                let spared = self.overflow.min(width - value.len());
                self.overflow -= spared;
                width -= spared;
                self.out += &format!("{value:width$}");
            }
        }
        self.out.push('\n');
    }
}

/// A value for people, broken at commas into lines that fit.
fn cell(value: &Option<String>, width: usize) -> Vec<String> {
    let Some(value) = value else { return vec!["?".to_owned()] };
    if value.is_empty() {
        return vec!["--".to_owned()];
    }
    let parts: Vec<&str> = value.split(',').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() || parts.len() > LINES {
        return vec![value.clone()];
    }
    let (mut lines, mut line) = (Vec::new(), String::new());
    for (place, part) in parts.iter().enumerate() {
        line += part;
        let next = parts.get(place + 1);
        if next.is_some() {
            line.push(',');
        }
        if line.len() + next.map_or(0, |next| next.len()) > width {
            lines.push(std::mem::take(&mut line));
        }
    }
    lines.extend((!line.is_empty()).then_some(line));
    lines
}
