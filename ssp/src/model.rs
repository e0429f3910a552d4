//! A trained network with what it takes to use it: read from a run or a weights file.

use std::path::{Path, PathBuf};

use nn::UNet;
use nn::checkpoint::{self, Metadata, Report};

use crate::augment::Grid;
use crate::predict::Predictor;
use crate::run::folder::RunFolder;
use crate::settings::{Method, Preset, Settings};
use crate::task::unet;
use crate::{Error, Result};

/// A segmentation network and its grid.
pub struct Model {
    network: UNet,
    grid: Grid,
    /// The file that the weights came from.
    pub path: PathBuf,
    /// What of the file fitted.
    pub report: Report,
}

/// What is kept beside weights, so that a file says what network it is for.
///
/// # Errors
/// None that a user can cause.
pub fn metadata(settings: &Settings) -> Result<Metadata> {
    let text = settings.to_value()?.to_string();
    // One entry only: their order in the file is not fixed, and equal weights are to be equal files.
    Ok(Metadata::from([("settings".to_owned(), text)]))
}

/// The weights that `path` means: a file itself; of a run folder the best that fine-tuning left,
/// or else its last, or else what pretraining left.
///
/// # Errors
/// When there are none; the line says where they were looked for.
pub fn weights_of(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    if !path.exists() {
        return Err(Error::file(path, "does not exist; --weights takes a run folder or a file"));
    }
    let run = RunFolder::new(path);
    let places = [
        run.stage("finetune").join("best.safetensors"),
        run.stage("finetune").join("last.safetensors"),
        run.stage("pretrain").join("last.safetensors"),
    ];
    places.into_iter().find(|place| place.is_file()).ok_or_else(|| {
        Error::file(
            path,
            "holds no weights; looked for finetune/best.safetensors, finetune/last.safetensors \
             and pretrain/last.safetensors",
        )
    })
}

/// The weights that fine-tuning starts from: a file itself, or what pretraining left in a run
/// folder; never what fine-tuning left there, which has seen labels.
///
/// # Errors
/// When there are none.
pub fn pretrained_weights_of(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    if !path.exists() {
        return Err(Error::file(path, "does not exist; --weights takes a run folder or a file"));
    }
    let weights = RunFolder::new(path).stage("pretrain").join("last.safetensors");
    if weights.is_file() {
        return Ok(weights);
    }
    Err(Error::file(path, "holds no pretrained weights; looked for pretrain/last.safetensors"))
}

impl Model {
    /// Reads a run folder or weights file. `preset` and `changes`, as [`Settings::apply`] takes
    /// them, describe the network of a file that does not say it itself; of one that does, they
    /// change what it says.
    ///
    /// # Errors
    /// When there are no weights, or they are not those of a whole segmentation network.
    pub fn open(path: &Path, preset: Option<Preset>, changes: &[String]) -> Result<Self> {
        let path = weights_of(path)?;
        let metadata = checkpoint::metadata(&path)?;
        let mut settings = match (preset, metadata.get("settings")) {
            (Some(preset), _) => Settings::preset(preset, Method::Scratch),
            (None, Some(text)) => serde_json::from_str(text).map_err(|error| {
                Error::file(&path, format!("its settings cannot be used: {error}"))
            })?,
            (None, None) if !changes.is_empty() => Settings::preset(Preset::Paper, Method::Scratch),
            (None, None) => {
                let what = "does not say what network it is for; describe it with --preset and \
                            --set network.channels=...";
                return Err(Error::file(&path, what));
            }
        };
        settings.apply(changes)?;
        let mut network = unet(&settings.network, settings.seed)?;
        let report = checkpoint::load(&path, &mut network)?;
        if let Some(name) = report.missing.first() {
            let what = format!(
                "lacks {} of the network's tensors ({name}, ...); is it pretrained only? \
                 fine-tune it first",
                report.missing.len()
            );
            return Err(Error::file(&path, what));
        }
        let grid = Grid::square(settings.network.size, settings.network.spacing);
        Ok(Model { network, grid, path, report })
    }

    /// The network at work.
    pub fn predictor(&mut self) -> Predictor<'_> {
        Predictor::new(&mut self.network, self.grid)
    }
}
