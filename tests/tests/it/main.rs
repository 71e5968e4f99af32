//! What crosses the parts of hersh, on a real engine under real gVisor: the `hersh` command, its host,
//! Docker, runsc, and watchers inside.

mod building;
mod contract;
mod doctor;
mod host_killed;
mod misbehaving;
mod sources;
mod walls;
mod whole_path;
