//! From what is written, in TOML or on the command line, to values.

use std::fmt;

use toml::de::DeValue;

use super::Bound;
use super::document::{Content, Key};
use super::log::Complaint;
use crate::quantity::Quantity;
use crate::setting::Kind;
use crate::tunable::{is_octal, merged_list};

/// What values a subject takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Those of a portable setting.
    Portable(Kind),
    /// A native integer.
    Integer,
    /// A native integer that counts pages of memory.
    Pages,
    /// A native text.
    Text,
}

impl Shape {
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Portable(kind) => kind.expected(),
            Self::Integer => Kind::Native.expected(),
            Self::Pages => "an amount of memory such as \"512MiB\" or \"131072 pages\"",
            Self::Text => Kind::Text.expected(),
        }
    }

    /// Tells whether one value can be more than another.
    const fn is_ordered(self) -> bool {
        !matches!(self, Self::Text | Self::Portable(Kind::Switch))
    }
}

/// What is written where a value is expected.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given<'t> {
    Text(&'t str),
    Integer(i128),
    Switch(bool),
    List(Vec<Self>),
    Other(&'static str),
}

impl<'t> Given<'t> {
    pub(super) fn of(value: &'t DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text),
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("a number too large to be counted"), Self::Integer),
            DeValue::Boolean(on) => Self::Switch(*on),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::of(item.get_ref())).collect()),
            DeValue::Float(_) => Self::Other("a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// Reads an argument of the command line, which has no quotes to tell numbers from texts.
    pub(super) fn of_argument(text: &'t str, shape: Shape) -> Self {
        let number = number(text).map(Self::Integer);
        match (shape, text) {
            (Shape::Portable(Kind::Switch), "true" | "on") => Self::Switch(true),
            (Shape::Portable(Kind::Switch), "false" | "off") => Self::Switch(false),
            (Shape::Text, _) => Self::Text(text),
            _ => number.unwrap_or(Self::Text(text)),
        }
    }
}

/// Reads a whole number in decimal. One with a leading zero is none: a kernel would take it for octal.
fn number(text: &str) -> Option<i128> {
    text.parse().ok().filter(|_| !text.starts_with('+') && !is_octal(text))
}

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::Integer(number) => write!(f, "the number {number}"),
            Self::Switch(on) => write!(f, "{on}"),
            Self::List(_) => f.write_str("a list"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

const VENDOR_DEFAULT: &str = "vendor-default";

/// Reads the value of a key, one content for each of `width` fields.
pub(super) fn contents(
    given: &Given<'_>,
    key: Key,
    shape: Shape,
    width: usize,
) -> Result<Vec<Content>, Complaint> {
    if *given == Given::Text(VENDOR_DEFAULT) {
        return vendor_default(key, width);
    }
    if key != Key::Exactly && !shape.is_ordered() {
        let message = format!("{key} asks for more or less of something that has neither");
        return Err(Complaint::new(message).help("use exactly"));
    }
    if width > 1 {
        return fields(given, shape, width);
    }
    let bound = scalar(given, shape)?;
    if key == Key::Exactly {
        whole_pages(&bound)?;
    }
    Ok(vec![Content::Bound(bound)])
}

fn vendor_default(key: Key, width: usize) -> Result<Vec<Content>, Complaint> {
    if key == Key::Exactly {
        return Ok(vec![Content::VendorDefault; width]);
    }
    Err(Complaint::new(format!("{key} does not take \"vendor-default\"")).help("only exactly does"))
}

/// Reads one value.
pub(super) fn scalar(given: &Given<'_>, shape: Shape) -> Result<Bound, Complaint> {
    let quantity = match (shape, given) {
        (Shape::Portable(Kind::Count), Given::Integer(number)) => {
            Quantity::from_scalar(Kind::Count, *number).ok_or_else(|| impossible(given, shape))?
        }
        (Shape::Portable(Kind::Switch), Given::Switch(on)) => Quantity::Switch(*on),
        (Shape::Portable(kind @ (Kind::Duration | Kind::Bytes | Kind::Ports)), Given::Text(text)) => {
            Quantity::parse(kind, text).map_err(|_| impossible(given, shape))?
        }
        (Shape::Integer, Given::Integer(number)) => native(*number)?,
        (Shape::Text, Given::Text(text)) => plain_text(text)?,
        (Shape::Pages, Given::Text(text)) => return pages(text),
        _ => return Err(wrong_type(given, shape)),
    };
    Ok(Bound::Fixed(quantity))
}

fn impossible(given: &Given<'_>, shape: Shape) -> Complaint {
    Complaint::new(format!("{given} is not {}", shape.expected()))
}

/// Complains about the wrong type, and shows how the same would be written rightly.
fn wrong_type(given: &Given<'_>, shape: Shape) -> Complaint {
    let complaint = Complaint::new(format!("expected {}, found {given}", shape.expected()));
    match (shape, given) {
        (Shape::Portable(Kind::Duration), Given::Integer(n)) => {
            complaint.help(format!("a time needs its unit: \"{n}s\" or \"{n}ms\""))
        }
        (Shape::Portable(Kind::Bytes), Given::Integer(n)) => {
            complaint.help(format!("a size needs its unit: \"{n}B\" or \"{n}KiB\""))
        }
        (Shape::Pages, Given::Integer(n)) => {
            complaint.help(format!("the kernel counts pages here: \"{n} pages\", or a size with its unit"))
        }
        (Shape::Portable(Kind::Switch), Given::Text("on" | "off" | "true" | "false")) => {
            complaint.help("without quotes: true or false")
        }
        (Shape::Portable(Kind::Count) | Shape::Integer, Given::Text(text)) => match number(text) {
            Some(number) => complaint.help(format!("without quotes: {number}")),
            None if is_octal(text) => complaint.help("a leading zero means octal to a kernel: leave it out"),
            None => complaint,
        },
        _ => complaint,
    }
}

fn native(number: i128) -> Result<Quantity, Complaint> {
    if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number) {
        return Ok(Quantity::Native(number));
    }
    Err(Complaint::new(format!("{number} does not fit into 64 bits")))
}

/// Reads a list, which goes into one line of a boot file; what is none is complained about later.
fn plain_text(text: &str) -> Result<Quantity, Complaint> {
    if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        let trimmed = text.trim();
        return Ok(Quantity::Text(merged_list(trimmed).unwrap_or_else(|| trimmed.to_owned())));
    }
    Err(Complaint::new(format!("the text {text:?} has characters other than printable ASCII")))
}

/// Reads an amount of memory for a tunable that counts pages.
fn pages(text: &str) -> Result<Bound, Complaint> {
    let complaint = || impossible(&Given::Text(text), Shape::Pages);
    if let Some(number) = text.trim().strip_suffix("pages") {
        let count = Quantity::parse(Kind::Count, number).ok().and_then(|count| count.scalar());
        return Ok(Bound::Fixed(native(count.ok_or_else(complaint)?)?));
    }
    match Quantity::parse(Kind::Bytes, text) {
        Ok(Quantity::Bytes(bytes)) => Ok(Bound::PagesOf { bytes }),
        _ if text.trim().parse::<u64>().is_ok() => {
            Err(complaint().help(format!("say which: \"{} pages\", or a size with its unit", text.trim())))
        }
        _ => Err(complaint()),
    }
}

/// The smallest page of any system.
const SMALLEST_PAGE: u64 = 4096;

/// Complains about an exact amount of memory that is no number of pages anywhere.
fn whole_pages(bound: &Bound) -> Result<(), Complaint> {
    let &Bound::PagesOf { bytes } = bound else { return Ok(()) };
    if bytes.is_multiple_of(SMALLEST_PAGE) {
        return Ok(());
    }
    let below = Quantity::Bytes(bytes - bytes % SMALLEST_PAGE);
    let above = Quantity::Bytes(bytes.next_multiple_of(SMALLEST_PAGE));
    let message = format!("{} is no whole number of pages", Quantity::Bytes(bytes));
    Err(Complaint::new(message).help(format!("the nearest are {below} and {above}")))
}

/// Reads one value for each field, from a list or from a text as the system shows it.
fn fields(given: &Given<'_>, shape: Shape, width: usize) -> Result<Vec<Content>, Complaint> {
    let read = |item: &Given<'_>| {
        let bound = scalar(item, shape)?;
        whole_pages(&bound).map(|()| Content::Bound(bound))
    };
    let contents: Vec<_> = match given {
        Given::List(items) => items.iter().map(read).collect::<Result<_, _>>()?,
        Given::Text(text) => {
            words(text, shape).iter().map(|word| read(&word.given())).collect::<Result<_, _>>()?
        }
        _ => return Err(one_each(given, shape, width)),
    };
    if contents.len() == width { Ok(contents) } else { Err(one_each(given, shape, width)) }
}

fn one_each(given: &Given<'_>, shape: Shape, width: usize) -> Complaint {
    let example = if shape == Shape::Pages { "\"1GiB 2GiB 3GiB\"" } else { "\"1 2 3\"" };
    let message = format!("expected {width} values, a list or a text such as {example}, found {given}");
    Complaint::new(message).help("one field alone is named with its number, such as \"net.ipv4.tcp_rmem[2]\"")
}

/// A word of a text that holds several values.
enum Word {
    Number(i128),
    Other(String),
}

impl Word {
    fn given(&self) -> Given<'_> {
        match self {
            Self::Number(number) => Given::Integer(*number),
            Self::Other(text) => Given::Text(text),
        }
    }
}

/// Splits a text into values; a last word `pages` goes for every number in it.
fn words(text: &str, shape: Shape) -> Vec<Word> {
    let paged = shape == Shape::Pages && text.trim_end().ends_with("pages");
    let words = text.split_whitespace().filter(|word| !(paged && *word == "pages"));
    words
        .map(|word| match number(word) {
            Some(number) if !paged => Word::Number(number),
            Some(_) => Word::Other(format!("{word} pages")),
            _ => Word::Other(word.to_owned()),
        })
        .collect()
}
