// What the tests deploy: one static binary that serves as a watcher's API would, and tells what it
// can reach and write from inside its container.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        // A build step that takes its time.
        Some("sleep") => loop {
            println!("sleeping");
            std::thread::sleep(Duration::from_millis(200));
        },
        // Runs, and never answers.
        Some("mute") => loop {
            std::thread::park();
        },
        // Wants more than a step of a build may have.
        Some("hog") => println!("{}", answer("hog")),
        // Says more than a log takes.
        Some("talk") => print!("{}", "0123456789abcde\n".repeat(1 << 16)),
        // Does what a client would ask for, and says what came of it.
        Some("tell") => args[2..].iter().for_each(|path| println!("{path}: {}", answer(path))),
        // The same, and runs on.
        Some("tell-and-stay") => {
            args[2..].iter().for_each(|path| println!("{path}: {}", answer(path)));
            println!("told");
            loop {
                std::thread::park();
            }
        }
        // Makes itself a program that runs as its owner, whoever starts it.
        Some("set-uid") => {
            std::os::unix::fs::chown("/program", Some(0), Some(0)).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o6755);
            std::fs::set_permissions("/program", mode).unwrap();
        }
        Some("who") => print!("{}", answer("read/proc/self/status")),
        // A machine on the network of a test: names and connections.
        Some("elsewhere") => elsewhere(&args[2]),
        Some("fail") => {
            eprintln!("nothing works");
            std::process::exit(7);
        }
        _ => serve(),
    }
}

/// Answers every question for a name with this address, and takes connections at ports 80 and 8443.
fn elsewhere(address: &str) {
    for port in [80, 8443] {
        let listener = listen(port);
        std::thread::spawn(move || listener.incoming().for_each(drop));
    }
    let socket = std::net::UdpSocket::bind("0.0.0.0:53").unwrap();
    println!("here");
    let mut buffer = [0; 512];
    loop {
        let (count, asker) = socket.recv_from(&mut buffer).unwrap();
        let end = 12 + buffer[12..count].iter().position(|b| *b == 0).unwrap() + 5;
        let is_a = buffer[end - 3] == 1;
        let mut answer = buffer[..end].to_vec();
        answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
        if is_a {
            answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(address.parse::<std::net::Ipv4Addr>().unwrap().octets());
        }
        socket.send_to(&answer, asker).unwrap();
    }
}

/// At all addresses of both protocols, where there are both.
fn listen(port: u16) -> TcpListener {
    TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port))).unwrap()
}

fn serve() {
    println!("token {}", std::env::var("TOKEN").unwrap_or_default());
    println!("trial {}", std::env::var("HERSH_TRIAL").unwrap_or_default());
    let runs =
        std::fs::read_to_string("/state/runs").ok().and_then(|t| t.parse().ok()).unwrap_or(0) + 1;
    std::fs::write("/state/runs", format!("{runs}")).unwrap();
    println!("run {runs}");
    let listener = listen(8080);
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut buffer = [0; 2048];
        let count = stream.read(&mut buffer).unwrap_or(0);
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        let path = text.split(' ').nth(1).unwrap_or("/").to_owned();
        println!("asked {path}");
        let body = answer(&path);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all((head + &body).as_bytes());
    }
}

fn answer(path: &str) -> String {
    let mut words = path.trim_start_matches('/').splitn(2, '/');
    let (verb, rest) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    match verb {
        "write" => match std::fs::write(format!("/{rest}"), "x") {
            Ok(()) => "written".into(),
            Err(error) => format!("{error}"),
        },
        "read" => std::fs::read_to_string(format!("/{rest}")).unwrap_or_else(|e| format!("{e}")),
        "reach" => {
            let address = match rest.to_socket_addrs() {
                Ok(mut addresses) => addresses.next().unwrap(),
                Err(error) => return format!("{error}"),
            };
            match TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
                Ok(_) => "reached".into(),
                Err(error) => format!("{error}"),
            }
        }
        // A message that is acknowledged once its count is kept.
        "count" => {
            let kept = std::fs::read_to_string("/state/count").ok();
            let count = kept.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) + 1;
            std::fs::write("/state/count.new", count.to_string()).unwrap();
            std::fs::rename("/state/count.new", "/state/count").unwrap();
            count.to_string()
        }
        // Answers nobody for so many seconds.
        "hush" => {
            std::thread::sleep(Duration::from_secs(rest.parse().unwrap()));
            "again".into()
        }
        // Starts its own file once more, and has that say who it is.
        "again" => match std::process::Command::new("/program").arg("who").output() {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) => format!("{error}"),
        },
        "list" => match std::fs::read_dir(format!("/{rest}")) {
            Ok(entries) => {
                entries.flatten().map(|e| format!("{}\n", e.file_name().display())).collect()
            }
            Err(error) => format!("{error}"),
        },
        "flood" => {
            let line = "x".repeat(1023);
            (0..rest.parse().unwrap()).for_each(|_| println!("{line}"));
            "flooded".into()
        }
        "threads" => {
            let start = |_: &u32| std::thread::Builder::new().spawn(std::thread::park).is_ok();
            format!("{} threads", (0..rest.parse().unwrap()).take_while(start).count())
        }
        "own" => std::fs::read_to_string("/etc/hosts").unwrap_or_default(),
        "hog" => {
            let mut kept = Vec::new();
            for _ in 0..4096 {
                kept.push(vec![1_u8; 1 << 20]);
            }
            format!("{} MiB", kept.len())
        }
        "exit" => {
            println!("leaving with {rest}");
            std::process::exit(rest.parse().unwrap())
        }
        _ => "ok".into(),
    }
}
