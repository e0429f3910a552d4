//! Faults on request: a process that is killed, or an operation that fails, at a chosen point.
//!
//! The environment variable `CINE_FAULT` has a list of faults, separated by commas, each
//! `operation:n:effect`. Calls of an operation are counted from 1; `n+` means every call from the n-th.
//!
//! - Operations: `create` (a temporary or lock file), `write` (the content of a file, or a row that is
//!   appended), `fsync`, `rename`, `mkdir`.
//! - Effects: `kill` ends the process at once, in the middle of a write; `EIO`, `ENOSPC` and so on are
//!   returned as the operating system does; `flip` (of writes) inverts a bit in the middle of what is on
//!   the disk.
//!
//! `CINE_FAULT=list` prints every point to standard error instead: `fault point: rename 5 run/job.json`.
//! Without the variable, a point costs an atomic load.

use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Write,
    Fsync,
    Rename,
    Mkdir,
}

const OPERATIONS: [(&str, Operation); 5] = [
    ("create", Operation::Create),
    ("write", Operation::Write),
    ("fsync", Operation::Fsync),
    ("rename", Operation::Rename),
    ("mkdir", Operation::Mkdir),
];

/// Error numbers of Linux.
const ERRORS: [(&str, i32); 5] =
    [("EIO", 5), ("EACCES", 13), ("ENOSPC", 28), ("EROFS", 30), ("EDQUOT", 122)];

/// What happens instead of the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Kill,
    Fail(i32),
    Flip,
}

#[derive(Debug, PartialEq, Eq)]
struct Fault {
    operation: Operation,
    call: usize,
    later_too: bool,
    effect: Effect,
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no operation:n:effect, such as rename:3:kill");
        let [operation, call, effect] =
            text.split(':').collect::<Vec<_>>().try_into().map_err(|_| wrong())?;
        let (_, operation) =
            OPERATIONS.into_iter().find(|(name, _)| *name == operation).ok_or_else(wrong)?;
        let later_too = call.ends_with('+');
        let call = call.trim_end_matches('+').parse().map_err(|_| wrong())?;
        let effect = match effect {
            "kill" => Effect::Kill,
            "flip" if operation == Operation::Write => Effect::Flip,
            name => {
                let error = ERRORS.into_iter().find(|(known, _)| *known == name);
                Effect::Fail(error.ok_or_else(wrong)?.1)
            }
        };
        Ok(Fault { operation, call, later_too, effect })
    }
}

#[derive(Default)]
struct Plan {
    faults: Vec<Fault>,
    lists: bool,
    calls: [AtomicUsize; OPERATIONS.len()],
}

impl Plan {
    fn read(text: &str) -> Result<Self, String> {
        if text == "list" {
            return Ok(Plan { lists: true, ..Plan::default() });
        }
        let faults = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Plan { faults, ..Plan::default() })
    }

    fn effect(&self, operation: Operation, path: &Path) -> Option<Effect> {
        let call = self.calls[operation as usize].fetch_add(1, Ordering::Relaxed) + 1;
        if self.lists {
            eprintln!(
                "fault point: {} {call} {}",
                OPERATIONS[operation as usize].0,
                path.display()
            );
        }
        let due = |fault: &&Fault| {
            fault.operation == operation
                && (fault.call == call || (fault.later_too && fault.call < call))
        };
        self.faults.iter().find(due).map(|fault| fault.effect)
    }
}

/// The effect to have on this call of `operation`; none, as a rule.
pub(crate) fn effect(operation: Operation, path: &Path) -> Option<Effect> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| {
        let text = std::env::var("CINE_FAULT").ok()?;
        Some(Plan::read(&text).unwrap_or_else(|error| {
            eprintln!("error: CINE_FAULT: {error}");
            std::process::exit(2)
        }))
    });
    plan.as_ref()?.effect(operation, path)
}

/// Has the effect on an operation that writes nothing itself.
pub(crate) fn point(operation: Operation, path: &Path) -> io::Result<()> {
    effect(operation, path).map_or(Ok(()), Effect::happen)
}

impl Effect {
    /// Ends the process, or returns the error.
    pub(crate) fn happen(self) -> io::Result<()> {
        match self {
            Effect::Kill => std::process::abort(),
            Effect::Fail(number) => Err(io::Error::from_raw_os_error(number)),
            Effect::Flip => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_comes_at_its_call_of_its_operation() {
        let plan = Plan::read("rename:2:kill,write:2+:ENOSPC,write:1:flip").unwrap();
        let at = |operation| plan.effect(operation, Path::new("x"));
        assert_eq!([1, 2, 3].map(|_| at(Operation::Rename)), [None, Some(Effect::Kill), None]);
        let writes = [Effect::Flip, Effect::Fail(28), Effect::Fail(28)].map(Some);
        assert_eq!([1, 2, 3].map(|_| at(Operation::Write)), writes);
        assert_eq!(at(Operation::Mkdir), None);
        assert!(Plan::read("list").unwrap().faults.is_empty());
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for text in
            ["", "rename", "rename:x:kill", "rename:1:EWHAT", "rename:1:flip", "open:1:kill"]
        {
            assert!(Plan::read(text).is_err(), "{text}");
        }
    }
}
