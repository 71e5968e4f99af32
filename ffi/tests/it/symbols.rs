//! `ffi/symbols.txt` is what programs were promised: every function with its signature, every number,
//! every layout. None may go or change; `make symbols` adds what is new, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The header without its comments and its conditions.
fn bare(header: &str) -> String {
    let mut text = String::new();
    for (at, part) in header.split("/*").enumerate() {
        let code = if at == 0 { part } else { part.split_once("*/").map_or("", |(_, code)| code) };
        text.push_str(code);
    }
    text
}

/// What the header declares, one line each.
fn declared(header: &str) -> BTreeSet<String> {
    let text = bare(header);
    let (macros, code): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    let mut lines: BTreeSet<String> = macros
        .iter()
        .filter_map(|line| line.strip_prefix("#define HERSH_"))
        .filter(|line| line.contains(' ') && !line.starts_with("VERSION"))
        .map(|line| format!("#define HERSH_{line}"))
        .collect();
    let code = code.join(" ").replace("extern \"C\" {", "");
    for statement in statements(&code) {
        match statement.strip_prefix("enum ") {
            Some(numbers) => lines.extend(constants(numbers)),
            None => _ = lines.insert(statement),
        }
    }
    lines
}

/// Cuts code at each `;` outside of braces, with single spaces.
fn statements(code: &str) -> Vec<String> {
    let (mut found, mut current, mut depth) = (Vec::new(), String::new(), 0);
    for character in code.chars() {
        match character {
            ';' if depth == 0 => found.push(std::mem::take(&mut current)),
            _ => {
                depth += i32::from(character == '{') - i32::from(character == '}');
                current.push(character);
            }
        }
    }
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    found.into_iter().map(words).filter(|statement| !statement.is_empty()).collect()
}

/// One line for each constant of `HershStatus : int32_t { A = 0, B = 1, }`.
fn constants(numbers: &str) -> Vec<String> {
    let (name, body) = numbers.split_once('{').expect("an enum has a body");
    let name = name.split_whitespace().next().expect("an enum has a name");
    let body = body.trim_end_matches(['}', ' ']);
    let each = body.split(',').map(str::trim).filter(|constant| !constant.is_empty());
    each.map(|constant| format!("enum {name} {constant}")).collect()
}

#[test]
fn what_was_promised_is_still_there() {
    let header = fs::read_to_string(beside("../include/hersh.h")).expect("the header is there");
    let path = beside("symbols.txt");
    let promised: BTreeSet<String> =
        fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
    let declared = declared(&header);
    let broken: Vec<_> = promised.difference(&declared).collect();
    assert!(broken.is_empty(), "gone or changed, though programs rely on it: {broken:#?}");
    if std::env::var_os("HERSH_ADD_SYMBOLS").is_some() {
        let all: Vec<_> = declared.iter().map(|line| format!("{line}\n")).collect();
        return fs::write(&path, all.concat()).expect("a place for the list");
    }
    let new: Vec<_> = declared.difference(&promised).collect();
    assert!(new.is_empty(), "not yet promised, run `make symbols`: {new:#?}");
}

#[test]
fn a_change_of_a_signature_a_number_or_a_layout_shows() {
    let before = "/* x */\nenum A\n#ifdef Y\n : int32_t\n#endif\n{\n A_ONE = 1,\n};\n\
                  typedef struct { int a; int b; } S;\n#define HERSH_N 3\nHershStatus hersh_f(int a);";
    for (from, to) in [("= 1", "= 2"), ("int b", "long b"), ("N 3", "N 4"), ("int a)", "char a)")] {
        assert_ne!(declared(before), declared(&before.replace(from, to)), "{from}");
    }
    assert_eq!(declared(before).len(), 4);
}

#[test]
fn the_wrapper_for_cpp_leaves_nothing_out() {
    let read = |path: &str| fs::read_to_string(beside(path)).expect("a header");
    let wrapper = read("../include/hersh.hpp") + &read("../include/hersh_kharon.hpp");
    let called: BTreeSet<&str> =
        wrapper.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let header = declared(&read("../include/hersh.h"));
    let functions = header.iter().filter_map(|line| line.split_once('('));
    let names = functions.filter_map(|(before, _)| before.rsplit([' ', '*']).next());
    let missing: Vec<_> =
        names.filter(|name| name.starts_with("hersh_") && !called.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
