//! The operator's book names tests: they are there.
use std::path::Path;

#[test]
fn every_threat_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let book = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, chapter) = book.split_once("## What programs are kept from").unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    let rows: Vec<_> = chapter.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 20, "{} threats", rows.len());
    for row in rows {
        let name = row.trim_end_matches(" |").rsplit(" | ").next().unwrap().trim_matches('`');
        let (module, function) = name.rsplit_once("::").unwrap_or_else(|| panic!("{row}"));
        let tests = if module.starts_with("real::") { "tests/it" } else { "../tests/tests/it" };
        let file = root.join(tests).join(module.replace("::", "/")).with_extension("rs");
        let source =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(source.contains(&format!("#[test]\nfn {function}() {{")), "{name}");
    }
}
