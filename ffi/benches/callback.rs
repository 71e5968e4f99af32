//! What one execution costs through a callback of C, beside what it costs in Rust in the same run; and
//! how large the library is that is installed.
//!
//! `cargo bench -p hersh-ffi` builds the shared library in both of its profiles and loads it as a
//! program in C would. The queue is filled first, so that executions alone are measured. Ratios count;
//! the times are those of this machine at this moment.

#![allow(
    unsafe_code,
    clippy::print_stdout,
    reason = "a bench prints, and this one is a program in C in all but its syntax"
)]

#[allow(dead_code, reason = "this bench uses its share")]
#[path = "../../core/benches/common/report.rs"]
mod report;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use hersh::{Config, Watcher};
use report::{Bar, Report, as_f64};

const MESSAGES: u32 = 300_000;

static GO: AtomicBool = AtomicBool::new(false);
static SERVED: AtomicU32 = AtomicU32::new(0);

/// What the functions on both sides do besides.
#[derive(Clone, Copy)]
enum Asks {
    Nothing,
    /// They ask their context for the number of the execution.
    Number,
}

/// What both functions do, given how their message begins: they read it, as whoever gets one does.
fn serve(begins: Option<u8>) {
    if begins == Some(b'm') {
        SERVED.fetch_add(1, Ordering::Release);
    } else {
        while !GO.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }
}

/// Nanoseconds an execution, once the queue is full.
fn executions(send: impl Fn()) -> f64 {
    SERVED.store(0, Ordering::Release);
    (0..MESSAGES).for_each(|_| send());
    let began = Instant::now();
    GO.store(true, Ordering::Release);
    while SERVED.load(Ordering::Acquire) < MESSAGES {
        thread::sleep(Duration::from_micros(200));
    }
    let took = began.elapsed();
    GO.store(false, Ordering::Release);
    took.as_secs_f64() * 1e9 / f64::from(MESSAGES)
}

fn in_rust(asks: Asks) -> f64 {
    let config = Config {
        signal_capacity: MESSAGES as usize,
        default_timeout: Duration::from_secs(600),
        ..Config::default()
    };
    let watcher = Watcher::builder().config(config).build().expect("a watcher");
    watcher
        .manage("serve", move |message, context| {
            if let Asks::Number = asks {
                black_box(context.execution());
            }
            serve(message.and_then(|message| message.content().bytes().next()));
            Ok(())
        })
        .expect("not started");
    watcher.start().expect("started");
    executions(|| watcher.send_message("m").expect("room"))
}

unsafe extern "C" fn in_callback(
    text: *const c_char,
    context: *mut c_void,
    number: *mut c_void,
) -> i32 {
    if !number.is_null() {
        // SAFETY: what is asked for the number is `hersh_context_execution`, see `through_c`.
        let number = unsafe { std::mem::transmute::<*mut c_void, Number>(number) };
        // SAFETY: as the header declares it.
        black_box(unsafe { number(context) });
    }
    // SAFETY: a text where there is one, which C may read until this returns.
    serve((!text.is_null()).then(|| unsafe { text.cast::<u8>().read() }));
    0
}

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The shared library, built in a profile and loaded.
struct Library {
    loaded: *mut c_void,
    bytes: usize,
}

impl Library {
    fn load(profile: &str) -> Self {
        let bench = env::current_exe().expect("a program has a path");
        // This is TARGET/PROFILE/deps/callback-….
        let target = bench.ancestors().nth(3).map(PathBuf::from).unwrap_or_default();
        let built = Command::new(env!("CARGO"))
            .args(["build", "-p", "hersh-ffi", "--profile", profile, "--target-dir"])
            .arg(&target)
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the library cannot be built");
        let path = target.join(profile).join("libhersh.so");
        let length = fs::metadata(&path).expect("it was built").len();
        let path = CString::new(path.into_os_string().into_encoded_bytes()).expect("no NUL");
        // SAFETY: the path is a text; 2 is RTLD_NOW.
        let loaded = unsafe { dlopen(path.as_ptr(), 2) };
        assert!(!loaded.is_null(), "{path:?} cannot be loaded");
        Self { loaded, bytes: usize::try_from(length).expect("it is loaded") }
    }

    /// A function, as a pointer of its type.
    fn function<F: Copy>(&self, name: &CStr) -> F {
        // SAFETY: the library is loaded, and the name is a text.
        let found = unsafe { dlsym(self.loaded, name.as_ptr()) };
        assert!(!found.is_null(), "{name:?} is missing");
        // SAFETY: the caller names the type that the header declares.
        unsafe { std::mem::transmute_copy(&found) }
    }
}

type Make = unsafe extern "C" fn(*mut *mut c_void) -> i32;
type SetSize = unsafe extern "C" fn(*mut c_void, usize) -> i32;
type SetTime = unsafe extern "C" fn(*mut c_void, u64) -> i32;
type Build = unsafe extern "C" fn(*mut c_void, *mut *mut c_void) -> i32;
type Callback = unsafe extern "C" fn(*const c_char, *mut c_void, *mut c_void) -> i32;
type Manage =
    unsafe extern "C" fn(*mut c_void, *const c_char, Callback, *mut c_void, *const c_void) -> i32;
type Send = unsafe extern "C" fn(*mut c_void, *const c_char) -> i32;
type Number = unsafe extern "C" fn(*const c_void) -> u64;
type Take = unsafe extern "C" fn(*mut c_void) -> i32;

fn through_c(library: &Library, asks: Asks) -> f64 {
    let (mut config, mut watcher) = (null_mut(), null_mut());
    let send: Send = library.function(c"hersh_watcher_send");
    // SAFETY: each is called as the header declares it.
    unsafe {
        let made = library.function::<Make>(c"hersh_config_new")(&raw mut config)
            | library.function::<SetSize>(c"hersh_config_set_signal_capacity")(
                config,
                MESSAGES as usize,
            )
            | library.function::<SetTime>(c"hersh_config_set_default_timeout_ms")(config, 600_000)
            | library.function::<Build>(c"hersh_watcher_new")(config, &raw mut watcher)
            | library.function::<Take>(c"hersh_config_free")(config);
        let manage: Manage = library.function(c"hersh_watcher_manage");
        let number = match asks {
            Asks::Nothing => null_mut(),
            Asks::Number => library.function(c"hersh_context_execution"),
        };
        let managed = manage(watcher, c"serve".as_ptr(), in_callback, number, null());
        let started = library.function::<Take>(c"hersh_watcher_start")(watcher);
        assert_eq!((made, managed, started), (0, 0, 0));
    }
    // SAFETY: as above.
    let each = executions(|| assert_eq!(unsafe { send(watcher, c"m".as_ptr()) }, 0));
    // SAFETY: as above; it is not used any more.
    assert_eq!(unsafe { library.function::<Take>(c"hersh_watcher_free")(watcher) }, 0);
    each
}

/// Side by side, as these machines are noisy: the pair with the middle ratio.
fn compare(report: &mut Report, name: &str, library: &Library, asks: Asks) {
    let pair = |_| (through_c(library, asks), in_rust(asks));
    let mut pairs: Vec<(f64, f64)> = (0..9).map(pair).collect();
    pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (value, reference) = pairs[pairs.len() / 2];
    report.add(name, "ns", value, Some(reference), Some(Bar::TimesReference(1.3)));
}

fn main() {
    let mut report = Report::default();
    let (fast, small) = (Library::load("release"), Library::load("capi"));
    compare(&mut report, "execution: a callback of C, beside Rust", &fast, Asks::Nothing);
    compare(&mut report, "  the same, as it is installed", &small, Asks::Nothing);
    compare(&mut report, "execution: one that asks its context", &fast, Asks::Number);
    compare(&mut report, "  the same, as it is installed", &small, Asks::Number);
    let size = as_f64(small.bytes) / 1_048_576.0;
    report.add("libhersh.so as it is installed", "MiB", size, None, Some(Bar::AtMost(2.5)));
    report.print_table();
}
