//! What this machine has for a host: addresses, disk, a folder of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Check;
use crate::client::{ADMIN_TOKEN_FILE, Client, ClientError, Overrides, Settings};
use crate::host::HostConfig;

// Below this an image of some size does not build.
const LITTLE_DISK: u64 = 5 << 30;
const NO_DISK: u64 = 512 << 20;
// So many free ports are enough to say that there are.
const ENOUGH_PORTS: usize = 16;

pub(super) fn look(listen: SocketAddr, data_dir: &Path) -> Vec<Check> {
    vec![filters(Path::new(FILTERS)), address(listen), ports(), folder(data_dir), disk(data_dir)]
}

// What keeps containers of one bridge apart are packet filters, if the kernel applies them to
// bridges.
const FILTERS: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

fn filters(file: &Path) -> Check {
    const NAME: &str = "network";
    match fs::read_to_string(file) {
        Ok(text) if text.trim() == "0" => Check::fail(
            NAME,
            "the kernel does not filter what goes over bridges: programs could reach each other",
            "sysctl -w net.bridge.bridge-nf-call-iptables=1",
        ),
        Ok(_) => Check::ok(NAME, "programs can be kept apart"),
        // The module is loaded when the engine makes its first network, and filters then.
        Err(_) => Check::ok(NAME, "the engine sees to it that programs are kept apart"),
    }
}

// Whether programs can be kept from what a program of another machine could not reach either.
pub(super) fn walls(tried: Result<(), String>) -> Check {
    const NAME: &str = "walls";
    let Err(why) = tried else {
        let detail = "programs can be kept from this machine's services and its cloud's metadata";
        return Check::ok(NAME, detail);
    };
    Check::fail(
        NAME,
        format!("programs could reach this machine's services and its cloud's metadata: {why}"),
        "run doctor and the host as root on the engine's machine with iptables installed, or the \
         host with --allow-open-network",
    )
}

fn address(listen: SocketAddr) -> Check {
    match TcpListener::bind(listen) {
        Ok(_) => Check::ok("address", format!("{listen} is free for the API")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && is_host(listen) => {
            Check::ok("address", format!("a host listens on {listen} already"))
        }
        Err(error) => {
            let detail = format!("{listen} cannot be had: {error}");
            Check::fail("address", detail, "free it, or choose another with --listen")
        }
    }
}

// Whether what listens there speaks the host API: it lists programs, or asks for a token.
fn is_host(listen: SocketAddr) -> bool {
    let flags = Overrides { host: Some(listen.to_string()), ..Overrides::default() };
    let Ok(settings) = Settings::load(&flags, &|_| None, false) else { return false };
    !matches!(
        Client::new(settings).programs(None, None),
        Err(ClientError::NotAHost { .. }
            | ClientError::Unreachable { .. }
            | ClientError::TimedOut { .. })
    )
}

fn ports() -> Check {
    let range = HostConfig::new("").ports;
    let (first, last) = (*range.start(), *range.end());
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    match range.filter(is_free).take(ENOUGH_PORTS).count() {
        0 => Check::fail(
            "ports",
            format!("no port from {first} to {last} is free on 127.0.0.1"),
            "stop what uses them: each program is published on one",
        ),
        few if few < ENOUGH_PORTS => Check::note(
            "ports",
            format!("only {few} ports from {first} to {last} are free on 127.0.0.1"),
            "each program is published on one",
        ),
        _ => Check::ok("ports", format!("there are free ones from {first} to {last}")),
    }
}

fn folder(data_dir: &Path) -> Check {
    const NAME: &str = "data";
    let shown = data_dir.display();
    let remedy = "choose another with --data-dir or HERSH_DATA_DIR, or change its permissions";
    let Some(there) = existing(data_dir) else {
        return Check::fail(NAME, format!("{shown} is on no file system"), remedy);
    };
    if !there.is_dir() {
        return Check::fail(NAME, format!("{} is not a folder", there.display()), remedy);
    }
    let writable = tempfile::Builder::new().prefix(".hersh-doctor").tempfile_in(there);
    if let Err(error) = writable {
        return Check::fail(NAME, format!("cannot write in {}: {error}", there.display()), remedy);
    }
    if there != data_dir {
        return Check::ok(NAME, format!("{shown} will be made by the first host"));
    }
    match exposed(data_dir) {
        Some(detail) => {
            let remedy =
                "give them to one user alone: `chmod 700` the folder, `chmod 600` the file";
            Check::fail(NAME, detail, remedy)
        }
        None => Check::ok(NAME, format!("{shown} can be written")),
    }
}

// What another user of this machine could read or change.
fn exposed(data_dir: &Path) -> Option<String> {
    let mode = |path: &Path| fs::metadata(path).map(|meta| meta.permissions().mode() & 0o777);
    let token = data_dir.join(ADMIN_TOKEN_FILE);
    if mode(data_dir).is_ok_and(|mode| mode & 0o022 != 0) {
        return Some(format!("others may write in {}", data_dir.display()));
    }
    let open = mode(&token).is_ok_and(|mode| mode & 0o077 != 0);
    open.then(|| format!("others may read {}", token.display()))
}

// The folder itself, or the nearest one above it that is there.
fn existing(path: &Path) -> Option<&Path> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.ancestors()
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
        .find(|path| path.exists())
}

fn disk(data_dir: &Path) -> Check {
    const NAME: &str = "disk";
    let Some(there) = existing(data_dir) else {
        return Check::note(NAME, "nowhere to look", "choose a data folder");
    };
    let free = match rustix::fs::statvfs(there) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => {
            let detail = format!("the space at {} is not known: {error}", there.display());
            return Check::note(NAME, detail, "see that there are some gigabytes");
        }
    };
    let (whole, tenth) = (free >> 30, ((free & ((1 << 30) - 1)) * 10) >> 30);
    let detail = format!("{whole}.{tenth} GiB free at {}", there.display());
    let remedy = "make room: images and states of programs need it";
    match free {
        0..NO_DISK => Check::fail(NAME, detail, remedy),
        NO_DISK..LITTLE_DISK => Check::note(NAME, detail, remedy),
        _ => Check::ok(NAME, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Status;

    #[test]
    fn a_folder_that_is_not_there_yet_is_fine_and_one_that_others_write_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(folder(&dir.path().join("a/b")).status, Status::Ok);
        assert_eq!(folder(dir.path()).status, Status::Ok);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(folder(dir.path()).status, Status::Fail);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(dir.path().join(ADMIN_TOKEN_FILE), "x").unwrap();
        let token = dir.path().join(ADMIN_TOKEN_FILE);
        fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(folder(dir.path()).detail.contains("admin.token"));
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(folder(&file).status, Status::Fail);
    }

    #[test]
    fn bridges_that_are_not_filtered() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("filters");
        assert_eq!(filters(&file).status, Status::Ok);
        for (text, status) in [("1\n", Status::Ok), ("0\n", Status::Fail)] {
            fs::write(&file, text).unwrap();
            assert_eq!(filters(&file).status, status, "{text}");
        }
    }

    #[test]
    fn an_address_that_something_else_has() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listen = taken.local_addr().unwrap();
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            for stream in taken.incoming().take(1) {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n<html>");
            }
        });
        assert_eq!(address(listen).status, Status::Fail);
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert_eq!(address(free).status, Status::Ok);
    }
}
