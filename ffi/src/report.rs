//! What is left when a session has ended.

use std::ffi::c_char;
use std::ptr;

use hersh::StopReport;

use crate::boundary;
use crate::error::{Answer, Failure};
use crate::handle::{self, handle_of};
use crate::state::HershState;
use crate::status::HershStatus;
use crate::text::{Out, whole};

/// The end of a session: its last state, and the messages that were accepted and not served.
///
/// May be read from any thread. Free it with `hersh_report_free`.
pub struct HershReport {
    state: HershState,
    /// Each with the NUL at its end.
    unserved: Vec<Box<[u8]>>,
}

handle_of!(HershReport, Report);

/// Hands a report over, if C wants one.
pub(crate) fn deliver(report: &StopReport, out: Option<Out<*mut HershReport>>) -> Answer {
    let Some(out) = out else { return Ok(()) };
    let unserved = report.unserved.iter().map(|message| whole(message.content()));
    let report = HershReport { state: report.state.into(), unserved: unserved.collect() };
    out.set(handle::insert(report)?);
    Ok(())
}

/// Frees a report. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_report_free(report: *mut HershReport) -> HershStatus {
    boundary::status(|| handle::take(report, "report").map(drop))
}

/// The state in which the session ended; `HERSH_STATE_INVALID` when it is no report.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_report_state(report: *const HershReport) -> HershState {
    boundary::value(HershState::Invalid, || Ok(handle::get(report, "report")?.state))
}

/// How many messages were accepted and not served; 0 when it is no report.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_report_unserved_count(report: *const HershReport) -> usize {
    boundary::value(0, || Ok(handle::get(report, "report")?.unserved.len()))
}

/// The text of an unserved message, the oldest at `index` 0; NULL when there is none. It ends with
/// a NUL that is not counted; `length` gets its length in bytes, by which a text with NULs within
/// can be read whole, and may be NULL. Valid until the report is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_report_unserved(
    report: *const HershReport,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    boundary::value(ptr::null(), || {
        let report = handle::get(report, "report")?;
        let text = report.unserved.get(index).ok_or_else(|| {
            let words = format_args!("{} messages were not served", report.unserved.len());
            Failure::new(HershStatus::NotFound, words)
        })?;
        // SAFETY: contract, outputs.
        if let Some(out) = unsafe { Out::optional(length) } {
            out.set(text.len() - 1);
        }
        Ok(text.as_ptr().cast())
    })
}
