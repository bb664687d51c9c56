//! Tables for people: no borders, ASCII only, fitted to the page, the first column in colour.

use anstyle::Style;
use comfy_table::{ColumnConstraint, ContentArrangement, Width, presets};
use unicode_width::UnicodeWidthStr;

use crate::escape::escape;
use crate::style::{STRONG, paint};

/// A table in the making.
#[derive(Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<(Style, Vec<String>)>,
}

/// A table as lines of text, row by row, so that more can be said below a row.
#[derive(Debug)]
pub struct Layout {
    /// The heading.
    pub head: Vec<String>,
    /// The lines of each row.
    pub rows: Vec<Vec<String>>,
}

/// The columns between two columns.
const GAP: u16 = 2;

impl Table {
    /// Begins a table with these headings.
    #[must_use]
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|text| (*text).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row of cells, the first of them shown in `style`; a dash where that is empty. All cells are escaped.
    pub fn row<I: IntoIterator>(&mut self, style: Style, cells: I)
    where
        I::Item: AsRef<str>,
    {
        let mut cells: Vec<_> = cells.into_iter().map(|cell| escape(cell.as_ref())).collect();
        if let Some(first) = cells.first_mut().filter(|cell| cell.trim().is_empty()) {
            "-".clone_into(first);
        }
        self.rows.push((style, cells));
    }

    /// Tells whether there are no rows.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lays the table out in that many columns; long cells are wrapped.
    #[must_use]
    pub fn layout(&self, width: usize) -> Layout {
        let clean = |line: String| line.replace(SOFT_BREAK, "").trim_end().to_owned();
        let lines = self.arranged(width).lines().map(clean).collect::<Vec<_>>();
        let mut blocks = lines.split(String::is_empty).filter(|block| !block.is_empty());
        let head = blocks.next().unwrap_or_default();
        let rows = blocks.zip(&self.rows).map(|(block, (style, _))| self.painted(*style, block));
        Layout { head: head.iter().map(|line| paint(STRONG, line)).collect(), rows: rows.collect() }
    }

    fn painted(&self, style: Style, block: &[String]) -> Vec<String> {
        let cells = block.iter().map(|line| paint_start(style, line, self.first_width()));
        cells.collect()
    }

    fn arranged(&self, width: usize) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        // The last column's gap is never seen.
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX).saturating_add(GAP));
        let paths: Vec<bool> =
            (0..self.head.len()).map(|at| self.cells(at).any(|cell| cell.contains('/'))).collect();
        let soft = |cells: &[String]| -> Vec<String> {
            cells.iter().zip(&paths).map(|(cell, path)| softened(cell, *path)).collect()
        };
        table.set_header(soft(&self.head));
        for (_, cells) in &self.rows {
            // An empty line tells the rows apart, however many lines each of them takes.
            table.add_row([""]).add_row(soft(cells));
        }
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            if paths.get(at) == Some(&true) {
                column.set_delimiter(SOFT_BREAK);
            }
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(self.least(at, width))));
        }
        table
    }

    /// Returns the least width of a column with its gap: every word is kept whole where there is room for that, else
    /// names in the first and words of an ordinary length in the others.
    fn least(&self, column: usize, width: usize) -> u16 {
        let name = 24;
        let others = (width - name) / self.head.len().max(1);
        let share = if column == 0 { name } else { others.saturating_sub(usize::from(GAP)).min(12) };
        let all: usize = (0..self.head.len()).map(|at| self.longest_word(at) + usize::from(GAP)).sum();
        let word = self.longest_word(column);
        let least = if all <= width + usize::from(GAP) { word } else { word.min(share) };
        u16::try_from(least).unwrap_or(0) + GAP
    }

    /// Returns the width of what is not broken in a column; paths break behind a slash.
    fn longest_word(&self, column: usize) -> usize {
        let words =
            self.cells(column).flat_map(|cell| cell.split(' ').flat_map(|word| word.split_inclusive('/')));
        words.map(UnicodeWidthStr::width).max().unwrap_or(0)
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = &String> {
        self.rows.iter().filter_map(move |(_, cells)| cells.get(column)).chain(self.head.get(column))
    }

    fn first_width(&self) -> usize {
        let cells = self.rows.iter().filter_map(|(_, cells)| cells.first()).chain(self.head.first());
        cells.map(|cell| cell.width()).max().unwrap_or(0)
    }
}

/// Marks where a line may be broken, and takes no room. In foreign text it is escaped.
const SOFT_BREAK: char = '\u{200b}';

/// Lets a path be broken between its parts.
fn softened(cell: &str, path: bool) -> String {
    let breaks = |c| if c == '/' || c == ' ' { vec![c, SOFT_BREAK] } else { vec![c] };
    if path { cell.chars().flat_map(breaks).collect() } else { cell.to_owned() }
}

/// Paints the part of a line that lies in the first column.
fn paint_start(style: Style, line: &str, columns: usize) -> String {
    let mut used = 0;
    let end = line.char_indices().find_map(|(at, c)| {
        let here = used >= columns;
        used += c.to_string().width();
        here.then_some(at)
    });
    let (start, rest) = line.split_at(end.unwrap_or(line.len()));
    let text = start.trim_end();
    format!("{}{}{rest}", paint(style, text), &start[text.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::{BAD, PLAIN};

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn long_cells_are_wrapped_and_rows_stay_apart() {
        let mut table = Table::new(&["status", "note"]);
        table.row(BAD, ["! drifted", &"word ".repeat(20)]);
        table.row(PLAIN, ["+ met", "fine"]);
        let layout = table.layout(80);
        assert_eq!(plain(&layout.head), ["status     note"]);
        assert_eq!(layout.rows.len(), 2);
        assert_eq!(layout.rows[0].len(), 2);
        assert!(
            layout.rows[0][0].starts_with("\u{1b}[1m\u{1b}[31m! drifted\u{1b}[0m  word"),
            "{:?}",
            layout.rows[0]
        );
        assert!(plain(&layout.rows[0]).iter().all(|line| line.len() <= 80));
    }

    #[test]
    fn paths_are_broken_between_their_parts() {
        let mut table = Table::new(&["setting", "decided by"]);
        let file = format!("/etc/{}/99-site.conf:3", "directory".repeat(4));
        table.row(PLAIN, [&"x".repeat(30), &file]);
        let lines = plain(&table.layout(80).rows[0]);
        let ends: Vec<_> = lines.iter().filter_map(|line| line.split(' ').next_back()).collect();
        assert!(
            ends.len() > 1 && ends.iter().all(|end| end.ends_with('/') || *end == "99-site.conf:3"),
            "{ends:?}"
        );
    }

    proptest::proptest! {
        #[test]
        fn every_table_fits(rows in proptest::collection::vec(proptest::array::uniform6(".{0,90}"), 1..4), width in 80usize..160) {
            let mut table = Table::new(&["setting", "now", "next boot", "wanted", "changes", "reversible"]);
            for row in &rows {
                table.row(BAD, row);
            }
            let layout = table.layout(width);
            proptest::prop_assert_eq!(layout.rows.len(), rows.len());
            for line in plain(&layout.head).iter().chain(layout.rows.iter().flat_map(|row| plain(row)).collect::<Vec<_>>().iter()) {
                proptest::prop_assert!(line.width() <= width, "{} > {}: {:?}", line.width(), width, line);
            }
        }
    }
}
