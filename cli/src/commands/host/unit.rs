//! The systemd unit that `hersh host --print-unit` prints.

use std::fmt::Write as _;
use std::path::Path;

use crate::args::{HostArgs, RuntimeArg};
use crate::output::{Exit, Failure};

/// The unit for these arguments, running the very file that prints it.
pub(super) fn text(args: &HostArgs, data_dir: &Path) -> Result<String, Failure> {
    let own = std::env::current_exe().map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot find where hersh is installed: {error}"))
            .with_remedy("start it by its full path")
    })?;
    render(args, &own, data_dir)
}

fn render(args: &HostArgs, own: &Path, data_dir: &Path) -> Result<String, Failure> {
    let (own, data) = (path(own)?, path(data_dir)?);
    let mut words = vec![own, "host".to_owned()];
    words.extend(["--listen".to_owned(), args.listen.to_string()]);
    words.extend(["--data-dir".to_owned(), data.clone()]);
    if args.runtime == RuntimeArg::Runc {
        words.extend(["--runtime", "runc"].map(str::to_owned));
    }
    for (wanted, flag) in [
        (args.allow_runc, "--allow-runc"),
        (args.allow_open_network, "--allow-open-network"),
        (args.no_auth, "--no-auth"),
    ] {
        if wanted {
            words.push(flag.to_owned());
        }
    }
    if let Some(docker) = &args.docker {
        words.extend(["--docker".to_owned(), docker.0.clone()]);
    }
    let command: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    let mut unit = String::from(HEAD);
    let _ = writeln!(unit, "ExecStart={}", command.join(" "));
    // A dash: the folder may not be there yet. Paths know specifiers, and no variables.
    let writable = format!("-{data}").replace('\\', "\\\\").replace('"', "\\\"");
    let _ = writeln!(unit, "ReadWritePaths=\"{}\"", writable.replace('%', "%%"));
    // What changes packet filters takes turns by it; the engine has made it where it is used.
    unit.push_str("ReadWritePaths=-/run/xtables.lock\n");
    // The usual folder is made by systemd, so that the first start needs no preparation.
    if data == "/var/lib/hersh" {
        unit.push_str("StateDirectory=hersh\nStateDirectoryMode=0700\n");
    }
    unit.push_str(TAIL);
    Ok(unit)
}

const HEAD: &str = "\
# systemctl edit --full --force hersh.service, paste this, then systemctl enable --now hersh
[Unit]
Description=hersh host
Wants=network-online.target docker.service
After=network-online.target docker.service

[Service]
";

const TAIL: &str = "\
Restart=on-failure
RestartSec=2
# Programs are containers of the Docker engine: they go on running when the host ends.
KillMode=mixed
TimeoutStopSec=30
UMask=0077
NoNewPrivileges=true
PrivateTmp=true
ProtectHome=read-only
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
";

fn path(path: &Path) -> Result<String, Failure> {
    let plain = path.to_str().filter(|text| !text.chars().any(char::is_control));
    plain.map(str::to_owned).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} cannot stand in a unit", path.display()))
            .with_remedy("choose a path of UTF-8 text without control characters")
    })
}

// As systemd.service(5) reads arguments: quotes and backslashes escaped, no specifiers, no variables.
fn quoted(word: &str) -> String {
    let escaped =
        word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn render_of(args: &[&str], data_dir: &str) -> String {
        let words = ["hersh", "host"].iter().chain(args);
        let Command::Host(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("not host")
        };
        render(&args, Path::new("/usr/local/bin/hersh"), Path::new(data_dir)).unwrap()
    }

    #[test]
    fn the_usual_unit() {
        let unit = render_of(&[], "/var/lib/hersh");
        assert_eq!(unit, include_str!("../../../tests/snapshots/unit.txt"));
    }

    #[test]
    fn what_is_special_to_systemd_is_escaped() {
        let unit = render_of(&["--no-auth", "--docker", "/run/d.sock"], "/srv/a \"b\"%$\\");
        let wanted =
            r#"--data-dir" "/srv/a \"b\"%%$$\\" "--no-auth" "--docker" "unix:///run/d.sock""#;
        assert!(unit.contains(wanted), "{unit}");
        assert!(unit.contains(r#"ReadWritePaths="-/srv/a \"b\"%%$\\""#), "{unit}");
        assert!(!unit.contains("StateDirectory"));
    }
}
