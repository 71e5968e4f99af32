//! `include/hersh.h` is what the sources say. `make header` writes it.

use std::fs;
use std::path::{Path, PathBuf};

use cbindgen::{
    Builder, Config, DocumentationStyle, EnumConfig, ExportConfig, FunctionConfig, Language,
    RenameRule, SortKey, Style,
};

fn crate_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn generated(dir: &Path) -> String {
    let contract = fs::read_to_string(dir.join("contract.h")).expect("the contract is there");
    let version = env!("CARGO_PKG_VERSION");
    let config = Config {
        language: Language::C,
        cpp_compat: true,
        style: Style::Type,
        header: Some(contract),
        include_guard: Some("HERSH_H".to_owned()),
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        after_includes: Some(format!(
            "\n/* The version of this header; the library's is hersh_version(). */\n\
             #define HERSH_VERSION \"{version}\""
        )),
        documentation_style: DocumentationStyle::Doxy,
        line_length: 100,
        tab_width: 4,
        usize_is_size_t: true,
        enumeration: EnumConfig {
            rename_variants: RenameRule::QualifiedScreamingSnakeCase,
            ..EnumConfig::default()
        },
        // C names it by its number, so no function has it in its signature.
        export: ExportConfig {
            include: ["HershPersistWhen", "HershDurability", "HershCatchUp", "HershIfExists"]
                .map(str::to_owned)
                .to_vec(),
            ..ExportConfig::default()
        },
        function: FunctionConfig { sort_by: Some(SortKey::None), ..FunctionConfig::default() },
        ..Config::default()
    };
    let bindings = Builder::new().with_crate(dir).with_config(config).generate();
    let mut header = Vec::new();
    bindings.expect("the sources can be read").write(&mut header);
    String::from_utf8(header).expect("a header is text")
}

#[test]
fn the_header_is_what_the_sources_say() {
    let dir = crate_dir();
    let path = dir.join("../include/hersh.h");
    let generated = generated(&dir);
    if std::env::var_os("HERSH_WRITE_HEADER").is_some() {
        fs::create_dir_all(dir.join("../include")).expect("a folder for the header");
        fs::write(&path, &generated).expect("a place for the header");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "include/hersh.h is not what ffi/src says: run `make header`");
}

#[test]
fn every_declaration_has_its_comment() {
    let header = generated(&crate_dir());
    let lines: Vec<_> = header.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut declared = 0;
    for pair in lines.windows(2) {
        let starts = pair[1].starts_with(|first: char| first.is_ascii_alphabetic());
        if starts && pair[1].contains("hersh_") {
            declared += 1;
            assert!(pair[0].ends_with("*/"), "{} has no comment", pair[1]);
        }
    }
    assert!(declared > 60, "only {declared} functions were found");
}
