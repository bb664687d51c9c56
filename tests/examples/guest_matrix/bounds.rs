//! Finds by halving the least and the greatest number that a key accepts.

use crate::rows::Row;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Further out than any integer type of the kernel.
const FAR: i128 = 1 << 70;

/// Measures both bounds of one slot of a key; an end that would be dangerous to reach is null.
pub fn measure(row: &Row, path: &Path, slot: usize) -> io::Result<Value> {
    let original = fs::read_to_string(path)?;
    let words: Vec<&str> = original.split_whitespace().collect();
    let accepts = |number: i128| -> io::Result<bool> {
        let mut restoring = OpenOptions::new().write(true).open(path)?;
        let accepted = write_once(path, &with_slot(&words, slot, number))?;
        restoring.write_all(original.as_bytes())?;
        Ok(accepted)
    };
    let lowest = outermost(row.base, -FAR, &accepts)?;
    let highest = if row.tries_all() { Some(outermost(row.base, FAR, &accepts)?) } else { None };
    Ok(json!({"key": row.key, "slot": slot, "lowest": lowest.to_string(),
        "highest": highest.map(|number| number.to_string())}))
}

/// The last accepted number on the way from `inside`, which is accepted, to `outside`, which is not.
fn outermost(
    mut inside: i128,
    mut outside: i128,
    accepts: &impl Fn(i128) -> io::Result<bool>,
) -> io::Result<i128> {
    while (outside - inside).abs() > 1 {
        let middle = inside + (outside - inside) / 2;
        *(if accepts(middle)? { &mut inside } else { &mut outside }) = middle;
    }
    Ok(inside)
}

fn write_once(path: &Path, text: &str) -> io::Result<bool> {
    let mut file: File = OpenOptions::new().write(true).open(path)?;
    Ok(file.write(text.as_bytes()).is_ok())
}

fn with_slot(words: &[&str], slot: usize, number: i128) -> String {
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    words[slot] = number.to_string();
    words.join("\t")
}
