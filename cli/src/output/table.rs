//! Tables and lists of `key: value` for people.

use std::fmt::Write as _;

use super::text::{columns, one_line};

/// A table with a heading; columns are as wide as their widest cell, two spaces apart.
#[derive(Debug)]
pub struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; its cells are made safe to show. A cell too few is empty, one too many is left
    /// out.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut row: Vec<String> =
            cells.into_iter().map(|cell| one_line(cell.as_ref()).into_owned()).collect();
        row.resize(self.heading.len(), String::new());
        self.rows.push(row);
    }

    /// The table as text, each line with its line end.
    pub fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.heading.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| columns(&row[column]));
                cells.chain([self.heading[column].chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        render_row(&mut text, &self.heading, &widths);
        for row in &self.rows {
            render_row(&mut text, row, &widths);
        }
        text
    }
}

fn render_row<T: AsRef<str>>(text: &mut String, cells: &[T], widths: &[usize]) {
    let start = text.len();
    for (cell, &width) in cells.iter().zip(widths) {
        let cell = cell.as_ref();
        text.push_str(cell);
        text.extend(std::iter::repeat_n(' ', width - columns(cell) + 2));
    }
    let end = text[start..].trim_end().len();
    text.truncate(start + end);
    text.push('\n');
}

/// `key: value` lines with the values under one another; empty values are left out.
pub fn fields(pairs: &[(&str, String)]) -> String {
    let shown: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = shown.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (key, value) in shown {
        // Values of several lines (the end of a log) go on under their beginning.
        let mut lines = value.lines();
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(text, "{key}:{:pad$} {}", "", one_line(first), pad = width - key.len());
        for line in lines {
            let _ = writeln!(text, "{:pad$}  {}", "", one_line(line), pad = width);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_spaces() {
        let mut table = Table::new(&["NAME", "STATE", "URL"]);
        table.row(["prices", "Ready", "http://localhost:19001"]);
        table.row(["a-very-long-name", "Error", ""]);
        table.row(["x\x1b[2J"]);
        assert_eq!(
            table.render(),
            "NAME              STATE  URL\n\
             prices            Ready  http://localhost:19001\n\
             a-very-long-name  Error\n\
             x\\u{1b}[2J\n"
        );
    }

    #[test]
    fn fields_line_up_and_empty_ones_go() {
        let text =
            fields(&[("name", "a".into()), ("error", "one\ntwo".into()), ("none", String::new())]);
        assert_eq!(text, "name:  a\nerror: one\n       two\n");
    }
}
