//! ACDC's `Info.cfg`: a patient's group, and the numbers of the frames at end-diastole and end-systole.
//!
//! Copies of the file exist that count from 0, or hold typing errors. Where it does not name two labelled
//! frames, the volumes of the labels decide, with a warning.

use std::path::{Path, PathBuf};

use super::assemble::assign_cardiac_phases;
use super::diagnostics::Diagnostics;
use super::files::names_in;
use super::subject::{CardiacPhase, Label, LabelledFrame};
use super::text;
use crate::{Error, Result};

/// The content of `Info.cfg`, as far as it is used.
#[derive(Default)]
pub(super) struct Info {
    /// The patient's diagnosis.
    pub group: Option<String>,
    /// The file, if there is one.
    path: Option<PathBuf>,
    /// The values of ED and ES.
    phases: [Option<String>; 2],
}

/// `Info.cfg` in a patient's folder, whatever the case of its letters.
pub(super) fn find(folder: &Path) -> Result<Option<PathBuf>> {
    let names = names_in(folder)?;
    let mut found = names.iter().filter(|name| name.eq_ignore_ascii_case("Info.cfg"));
    match (found.next(), found.next()) {
        (Some(first), Some(other)) => {
            let what = format!("is there beside {first}; keep only one of the two");
            Err(Error::file(folder.join(other), what))
        }
        (name, _) => Ok(name.map(|name| folder.join(name))),
    }
}

impl Info {
    /// Reads lines of `Key: value`, in any usual encoding. Unknown keys are ignored, and there may be no
    /// file.
    pub(super) fn read(path: Option<&Path>) -> Result<Info> {
        let Some(path) = path else { return Ok(Info::default()) };
        if path.is_dir() {
            return Err(Error::file(path, "is a folder; it should be a text file"));
        }
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        let mut info = Info { path: Some(path.to_path_buf()), ..Info::default() };
        let text = text::decode(&bytes);
        for (key, value) in text.split(['\n', '\r']).filter_map(|line| line.split_once([':', '=']))
        {
            let value = Some(value.trim().to_string()).filter(|value| !value.is_empty());
            match key.trim().to_ascii_lowercase().as_str() {
                "ed" => info.phases[0] = value,
                "es" => info.phases[1] = value,
                "group" => info.group = value,
                _ => {}
            }
        }
        Ok(info)
    }

    /// Says which labelled frames show end-diastole and end-systole. `numbers` are those of `frames`.
    pub(super) fn assign(
        &self,
        numbers: &[usize],
        frames: &mut [LabelledFrame],
        diagnostics: &mut Diagnostics,
    ) {
        let places = self.numbers().map(|wanted| numbers.iter().position(|&n| Some(n) == wanted));
        match (places, &mut *frames) {
            (_, []) => {}
            ([Some(ed), Some(es)], frames) if ed != es && !is_larger(&frames[es], &frames[ed]) => {
                frames[ed].cardiac_phase = CardiacPhase::EndDiastole;
                frames[es].cardiac_phase = CardiacPhase::EndSystole;
                if let more @ 1.. = frames.len() - 2 {
                    diagnostics.warn(format!(
                        "{}; {more} more frames carry labels, and are not used to train and test",
                        self.in_words()
                    ));
                }
            }
            (places, [only]) => self.assign_only(places, numbers[0], only, diagnostics),
            (_, frames) => {
                assign_cardiac_phases(frames, diagnostics);
                self.report(numbers, frames, diagnostics);
            }
        }
    }

    /// Of a single frame, volumes say nothing.
    fn assign_only(
        &self,
        places: [Option<usize>; 2],
        number: usize,
        frame: &mut LabelledFrame,
        diagnostics: &mut Diagnostics,
    ) {
        let is_from_0 = self.numbers().contains(&Some(0));
        let from_0 = self.numbers().map(|n| n.filter(|n| is_from_0 && n + 1 == number));
        frame.cardiac_phase = match (places, from_0) {
            ([Some(_), None], _) => CardiacPhase::EndDiastole,
            ([None, Some(_)], _) => CardiacPhase::EndSystole,
            ([None, None], [Some(_), None]) => CardiacPhase::EndDiastole,
            ([None, None], [None, Some(_)]) => CardiacPhase::EndSystole,
            _ => CardiacPhase::Other,
        };
        let name = match frame.cardiac_phase {
            CardiacPhase::Other => "neither ED nor ES",
            phase => phase.name(),
        };
        let line = format!(
            "{}, and only frame {number} carries labels; it is used as {name}",
            self.in_words()
        );
        match frame.cardiac_phase {
            CardiacPhase::Other => diagnostics.warn(line),
            _ if is_from_0 => diagnostics.warn(line),
            _ => diagnostics.note(line),
        }
    }

    /// Reports that volumes decided. Without the file, nothing contradicts them.
    fn report(&self, numbers: &[usize], frames: &[LabelledFrame], diagnostics: &mut Diagnostics) {
        let used = |cardiac_phase: CardiacPhase| {
            let at = frames.iter().position(|frame| frame.cardiac_phase == cardiac_phase);
            at.map_or(0, |at| numbers[at])
        };
        let all: Vec<String> = numbers.iter().map(usize::to_string).collect();
        let line = format!(
            "{}, and frames {} carry labels; by the volumes of the labels, frame {} is used as ED and \
             frame {} as ES",
            self.in_words(),
            all.join(", "),
            used(CardiacPhase::EndDiastole),
            used(CardiacPhase::EndSystole)
        );
        match self.path {
            Some(_) => diagnostics.warn(line),
            None => diagnostics.note(line),
        }
    }

    fn numbers(&self) -> [Option<usize>; 2] {
        self.phases.each_ref().map(|text| text::whole_number(text.as_ref()?))
    }

    /// What the file says of ED and ES.
    fn in_words(&self) -> String {
        if self.path.is_none() {
            return "there is no Info.cfg".into();
        }
        let value = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".into());
        let [ed, es] = self.phases.each_ref().map(value);
        let from_0 = match self.numbers().contains(&Some(0)) {
            true => " (counted from 0, where file names count from 1)",
            false => "",
        };
        format!("Info.cfg says ED: {ed}, ES: {es}{from_0}")
    }
}

/// Whether a frame's left ventricle and all its labels are larger than another's.
fn is_larger(frame: &LabelledFrame, other: &LabelledFrame) -> bool {
    let size = |frame: &LabelledFrame| frame.labels.iter().filter(|&&label| label != 0).count();
    let left = Label::LeftVentricle;
    frame.count(left) > other.count(left) && size(frame) > size(other)
}
