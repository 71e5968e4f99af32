//! The contract as arguments of `docker run`.
use super::{ComposeSpec, Mount, Network};

impl ComposeSpec {
    /// The arguments that start this container. Total: whatever the values are, each stays within
    /// its own argument, behind its flag's `=`, so none can become a flag.
    pub fn to_docker_run_args(&self) -> Vec<String> {
        let mut args: Vec<String> =
            ["run", "--detach", "--pull=never", "--no-healthcheck"].map(str::to_owned).into();
        let mut flag = |name: &str, value: &str| args.push(format!("--{name}={value}"));
        flag("name", &self.container_name());
        flag("hostname", &self.hostname());
        flag("runtime", &self.runtime);
        flag("read-only", if self.read_only { "true" } else { "false" });
        flag("ipc", "none");
        flag("cgroupns", "private");
        flag("restart", "no");
        match &self.network {
            Network::Bridge(name) => flag("network", name),
            Network::None => flag("network", "none"),
        }
        for publish in &self.ports {
            let (ip, port, inner) = (&publish.host_ip, publish.host_port, publish.container_port);
            flag("publish", &format!("{ip}:{port}:{inner}/tcp"));
        }
        for option in &self.security_opt {
            flag("security-opt", option);
        }
        for capability in &self.cap_drop {
            flag("cap-drop", capability);
        }
        flag("memory", &self.limits.memory_bytes.to_string());
        flag("memory-swap", &self.limits.memory_bytes.to_string());
        flag("cpus", &self.cpus());
        flag("pids-limit", &self.limits.pids.to_string());
        flag("log-driver", "json-file");
        flag("log-opt", &format!("max-size={}", self.log_file_bytes()));
        flag("log-opt", "max-file=2");
        flag("stop-timeout", &self.stop_grace_s.to_string());
        for mount in &self.mounts {
            flag("mount", &mount.to_field());
        }
        for place in &self.tmpfs {
            flag("tmpfs", place);
        }
        flag("env-file", &self.env_file.to_string_lossy());
        for (name, value) in &self.labels {
            flag("label", &format!("{name}={value}"));
        }
        args.push(self.image.to_string());
        args
    }
}

impl Mount {
    /// The mount as one line of comma-separated values, which is how the engine reads it.
    fn to_field(&self) -> String {
        let mut fields = vec![
            "type=bind".to_owned(),
            format!("source={}", self.source.to_string_lossy()),
            format!("target={}", self.target),
        ];
        if self.read_only {
            fields.push("readonly".to_owned());
        }
        let quoted: Vec<_> = fields.iter().map(|field| quote(field)).collect();
        quoted.join(",")
    }
}

fn quote(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_arguments_are_these() {
        let expected = "run --detach --pull=never --no-healthcheck \
            --name=hersh-alice-build-0123456789ab-deadbeef --hostname=hersh-deadbeef \
            --runtime=runsc --read-only=true --ipc=none --cgroupns=private --restart=no \
            --network=hersh-0123456789abcdef --publish=127.0.0.1:19001:8080/tcp \
            --security-opt=no-new-privileges --cap-drop=ALL --memory=536870912 \
            --memory-swap=536870912 --cpus=1.000 --pids-limit=256 --log-driver=json-file \
            --log-opt=max-size=10485760 --log-opt=max-file=2 --stop-timeout=10 \
            --mount=type=bind,source=/data/programs/p/state,target=/state \
            --mount=type=bind,source=/data/empty,target=/tmp,readonly \
            --mount=type=bind,source=/data/empty,target=/dev/shm,readonly \
            --mount=type=bind,source=/data/resolv.conf,target=/etc/resolv.conf,readonly \
            --env-file=/data/programs/p/runtime/env --label=hersh.attempt=2 \
            --label=hersh.host=0123456789abcdef \
            --label=hersh.program=alice-build-0123456789ab-deadbeef";
        let image = format!(" sha256:{}", "5".repeat(64));
        assert_eq!(spec().to_docker_run_args().join(" "), expected.to_owned() + &image);
    }

    proptest! {
        /// Hostile values change what stands behind a flag's `=`, and nothing else.
        #[test]
        fn no_value_becomes_a_flag(value in "(--?privileged|[-=, \"\n$a]){1,8}") {
            let plain = spec().to_docker_run_args();
            let mut hostile = spec();
            hostile.runtime.clone_from(&value);
            hostile.network = Network::Bridge(value.clone());
            hostile.security_opt = vec![value.clone()];
            hostile.cap_drop = vec![value.clone()];
            hostile.ports[0].host_ip.clone_from(&value);
            hostile.env_file = value.clone().into();
            for mount in &mut hostile.mounts {
                mount.source = value.clone().into();
                mount.target.clone_from(&value);
            }
            for label in hostile.labels.values_mut() {
                label.clone_from(&value);
            }
            let args = hostile.to_docker_run_args();
            prop_assert_eq!(args.len(), plain.len());
            let flag = |arg: &String| arg.split('=').next().unwrap_or_default().to_owned();
            for (arg, plain) in args.iter().zip(&plain) {
                prop_assert_eq!(flag(arg), flag(plain));
            }
        }

        /// A comma in a path adds no option to a mount.
        #[test]
        fn a_mount_stays_one_mount(path in "[a,\"=/\n]{1,12}") {
            let mount = Mount { source: path.clone().into(), target: "/state".into(), read_only: false };
            let fields = read_fields(&mount.to_field());
            prop_assert_eq!(fields, ["type=bind".to_owned(), format!("source={path}"), "target=/state".to_owned()]);
        }
    }

    /// Comma-separated values as RFC 4180 reads them.
    fn read_fields(line: &str) -> Vec<String> {
        let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    field.push('"');
                }
                '"' if quoted || field.is_empty() => quoted = !quoted,
                ',' if !quoted => fields.push(std::mem::take(&mut field)),
                c => field.push(c),
            }
        }
        fields.push(field);
        fields
    }
}
