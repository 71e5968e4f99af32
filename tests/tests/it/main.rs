//! What crosses the parts of hersh, on a real engine under real gVisor: the `hersh` command, its host,
//! Docker, runsc, and watchers inside.

mod building;
mod canary;
mod contract;
mod crowds;
mod curl;
mod doctor;
mod examples;
mod host_killed;
mod init;
mod misbehaving;
mod redeploy;
mod sources;
mod terminal;
mod walls;
mod whole_path;
