//! A progress bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::Watcher;
use common::text::line;
use indicatif::{ProgressBar, ProgressStyle};

use train::run::folder::RunFolder;

use crate::interrupt::{self, Work};
use crate::tell;

/// Reports the progress of a job on standard error.
pub struct Terminal {
    job: Mutex<Option<Job>>,
    interactive: bool,
}

struct Job {
    name: String,
    total: u64,
    begun: Instant,
    /// Parts that were done before the first report, by an earlier process.
    before: Option<u64>,
    printed: Instant,
    bar: Option<ProgressBar>,
    latest: String,
}

/// Time between lines if there is no bar.
const EVERY: Duration = Duration::from_secs(10);

impl Terminal {
    /// A watcher on standard error.
    pub fn new() -> Self {
        Terminal { job: Mutex::new(None), interactive: std::io::stderr().is_terminal() }
    }

    fn job(&self) -> MutexGuard<'_, Option<Job>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Terminal {
    fn note(&self, text: &str) {
        match &*self.job() {
            Some(Job { bar: Some(bar), .. }) => bar.suspend(|| tell(&line(text))),
            _ => tell(&line(text)),
        }
    }

    fn folder(&self, path: &Path) {
        interrupt::set_work(Work::Run(RunFolder::new(path)));
        self.note(&format!("run folder: {}", path.display()));
    }

    fn begin(&self, name: &str, total: u64) {
        let bar = self.interactive.then(|| {
            let bar = ProgressBar::new(total);
            let template = "{prefix:>12} {bar:30} {pos}/{len}  {msg}  {elapsed} < {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            bar
        });
        let now = Instant::now();
        *self.job() = Some(Job {
            name: name.to_owned(),
            total,
            begun: now,
            before: None,
            printed: now,
            bar,
            latest: String::new(),
        });
    }

    fn advance(&self, done: u64, text: &str) {
        let mut job = self.job();
        let Some(job) = job.as_mut() else { return };
        let before = *job.before.get_or_insert_with(|| done.saturating_sub(1));
        if let Some(bar) = &job.bar {
            if before > 0 && bar.position() == 0 {
                bar.set_position(before);
                bar.reset_eta();
            }
            bar.set_position(done);
            bar.set_message(line(text).into_owned());
            return;
        }
        job.latest = state(job, done, before, &line(text));
        if job.printed.elapsed() >= EVERY {
            job.printed = Instant::now();
            tell(&job.latest);
        }
    }

    fn end(&self) {
        let Some(job) = self.job().take() else { return };
        match job.bar {
            Some(bar) => bar.abandon(),
            None if !job.latest.is_empty() => tell(&job.latest),
            None => {}
        }
    }

    fn can_save(&self, can: bool) {
        interrupt::set_can_save(can);
    }

    fn is_interrupted(&self) -> bool {
        interrupt::is_interrupted()
    }
}

fn state(job: &Job, done: u64, before: u64, text: &str) -> String {
    let spent = job.begun.elapsed().as_secs_f64();
    let share = done.saturating_sub(before).max(1) as f64;
    let left = spent / share * job.total.saturating_sub(done) as f64;
    format!("{} {done}/{}  {text}  {spent:.0} s, {left:.0} s left", job.name, job.total)
}
