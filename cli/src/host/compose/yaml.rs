//! The contract as a compose file that starts the same container.
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{ComposeSpec, Network};

impl ComposeSpec {
    /// The compose file's text.
    pub fn to_yaml(&self) -> String {
        let mut text =
            "# Written by the host at each start; what it says is what was started.\n".to_owned();
        write(&mut text, &self.to_value(), 0);
        text
    }

    fn to_value(&self) -> Value {
        let mount = |m: &super::Mount| {
            json!({
                "type": "bind",
                "source": escape(&m.source.to_string_lossy()),
                "target": escape(&m.target),
                "read_only": m.read_only,
            })
        };
        let publish = |p: &super::Publish| {
            json!({
                "target": p.container_port,
                "published": p.host_port.to_string(),
                "host_ip": p.host_ip,
                "protocol": "tcp",
            })
        };
        let pairs = |map: &std::collections::BTreeMap<String, String>| -> Value {
            map.iter().map(|(name, value)| (name.clone(), json!(escape(value)))).collect()
        };
        let mut service = json!({
            "image": self.image.as_str(),
            "pull_policy": "never",
            "container_name": self.container_name(),
            "hostname": self.hostname(),
            "runtime": self.runtime,
            "read_only": self.read_only,
            "ipc": "none",
            "cgroup": "private",
            "restart": "no",
            "cap_drop": self.cap_drop,
            "security_opt": self.security_opt,
            "mem_limit": self.limits.memory_bytes.to_string(),
            "memswap_limit": self.limits.memory_bytes.to_string(),
            "cpus": self.cpus(),
            "pids_limit": self.limits.pids,
            "logging": {
                "driver": "json-file",
                "options": {"max-size": self.log_file_bytes().to_string(), "max-file": "2"},
            },
            "stop_grace_period": format!("{}s", self.stop_grace_s),
            "healthcheck": {"disable": true},
            "volumes": self.mounts.iter().map(mount).collect::<Vec<_>>(),
            "environment": pairs(&self.environment),
            "labels": pairs(&self.labels),
        });
        let mut file = json!({});
        match &self.network {
            Network::Bridge(name) => {
                service["networks"] = json!(["programs"]);
                service["ports"] = self.ports.iter().map(publish).collect();
                file["networks"] = json!({"programs": {"name": name, "external": true}});
            }
            Network::None => service["network_mode"] = json!("none"),
        }
        file["name"] = json!(self.hostname());
        file["services"] = json!({"program": service});
        file
    }
}

/// In a compose file a dollar sign would begin a variable.
fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

/// Writes a value in block style. Texts and names are written as JSON writes them, which is how
/// YAML's double-quoted style reads them.
fn write(text: &mut String, value: &Value, depth: usize) {
    let pad = "  ".repeat(depth);
    let is_block = |value: &Value| match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    let mut put = |lead: String, value: &Value| {
        text.push_str(&pad);
        text.push_str(&lead);
        if is_block(value) {
            text.push('\n');
            write(text, value, depth + 1);
        } else {
            // Writing to a String cannot fail.
            let _ = writeln!(text, " {value}");
        }
    };
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                put(format!("{}:", Value::from(name.as_str())), value);
            }
        }
        Value::Array(items) => {
            for item in items {
                put("-".to_owned(), item);
            }
        }
        other => put(String::new(), other),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::spec_with;
    use crate::host::request::NetworkMode;

    #[test]
    fn values_stay_values() {
        let env = BTreeMap::from([("A".to_owned(), "x: $HOME\" # {}".to_owned())]);
        let yaml = spec_with(NetworkMode::Bridge, &env).to_yaml();
        assert!(yaml.contains(r#"      "A": "x: $$HOME\" # {}""#), "{yaml}");
        assert!(yaml.contains("\"runtime\": \"runsc\""), "{yaml}");
        assert!(yaml.contains("\"host_ip\": \"127.0.0.1\""), "{yaml}");
        let alone = spec_with(NetworkMode::None, &env).to_yaml();
        assert!(alone.contains("\"network_mode\": \"none\"") && !alone.contains("published"));
    }
}
