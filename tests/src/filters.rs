//! The packet filters that hosts set on this machine.

use std::process::Command;

const TOOLS: [&str; 2] = ["iptables", "ip6tables"];

/// All rules of this host, and those that lead to them, as `iptables -S` prints them.
pub fn of(host_id: &str) -> Vec<String> {
    filters("iptables", host_id)
}

/// Removes what a host left that was killed: nobody else's rules are touched.
pub fn remove(host_id: &str) {
    for tool in TOOLS {
        let rules = filters(tool, host_id);
        let jumps = rules.iter().filter(|rule| !rule.starts_with("-N"));
        // A chain goes when nothing leads to it and it is empty.
        let jumps = jumps.filter_map(|rule| Some(format!("-D{}", rule.strip_prefix("-A")?)));
        let chains =
            rules.iter().filter_map(|rule| Some(format!("-X{}", rule.strip_prefix("-N")?)));
        for rule in jumps.chain(chains) {
            // A host that ended well has removed them itself.
            drop(Command::new(tool).arg("-w").args(rule.split(' ')).output());
        }
    }
}

// None where they may not be seen: there no host has set any.
fn filters(tool: &str, host_id: &str) -> Vec<String> {
    let Ok(output) = Command::new(tool).args(["-w", "-S"]).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    let chain = format!("HERSH-{host_id}-");
    text.lines().filter(|rule| rule.contains(&chain)).map(str::to_owned).collect()
}
