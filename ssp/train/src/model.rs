//! A trained network with what it takes to use it: read from a run or a weights file.

use std::path::{Path, PathBuf};

use nn::checkpoint::{self, LoadReport, Metadata};
use nn::{Module, UNet};
use tensor::Device;

use crate::run::folder::RunFolder;
use crate::task::unet;
use crate::{Error, Result};
use data::CLASSES;
use evaluate::Predictor;
use sampling::augment::Grid;
use settings::{Method, Preset, Settings};

/// A segmentation network and its grid.
pub struct Model {
    network: UNet,
    grid: Grid,
    /// Whether the file or the user specified the grid.
    grid_is_known: bool,
    /// The file of the weights.
    pub path: PathBuf,
    /// Which tensors of the file were used.
    pub report: LoadReport,
}

/// The settings, stored beside weights: they describe the network that the weights are for.
///
/// # Errors
/// When the settings cannot be serialised.
pub fn metadata(settings: &Settings) -> Result<Metadata> {
    let text = settings.to_value()?.to_string();
    // One entry only: the order of entries in a file is random, and equal weights should be equal files.
    Ok(Metadata::from([("settings".to_owned(), text)]))
}

/// The weights that `path` refers to: the file itself; or of a run folder the best of fine-tuning, else
/// the last of fine-tuning, else those of pretraining.
///
/// # Errors
/// When there are none; the message says where they were looked for.
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

/// The weights that fine-tuning starts from: the file itself, or the pretrained weights of a run folder;
/// never its fine-tuned ones, which have seen labels.
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
    /// Reads a run folder or weights file. For a file without settings, the network is inferred from the
    /// shapes of its tensors, and size and spacing are those of `preset`, or else the paper's. `changes`
    /// are applied last, by [`Settings::apply`].
    ///
    /// # Errors
    /// When there are no weights, or they are not those of a complete segmentation network.
    pub fn open(path: &Path, preset: Option<Preset>, changes: &[String]) -> Result<Self> {
        let path = weights_of(path)?;
        let metadata = checkpoint::metadata(&path)?;
        let grid_is_known =
            preset.is_some() || !changes.is_empty() || metadata.contains_key("settings");
        let mut settings = match (preset, metadata.get("settings")) {
            (Some(preset), Some(_)) => Settings::preset(preset, Method::Scratch),
            (None, Some(text)) => serde_json::from_str(text)
                .map_err(|error| Error::Data(error.to_string()))
                .and_then(|value| network_of(&value))
                .and_then(|settings| fits(&settings, &path).map(|()| settings))
                .map_err(|error| {
                    Error::file(&path, format!("its settings cannot be used: {error}"))
                })?,
            (preset, None) => {
                let preset = preset.unwrap_or(Preset::Paper);
                let mut settings = Settings::preset(preset, Method::Scratch);
                (settings.network.channels, settings.network.heads) = infer(&path)?;
                settings
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
        Ok(Model { network, grid, grid_is_known, path, report })
    }

    /// Moves the network to a device.
    ///
    /// # Errors
    /// When it has not so much memory left, or fails.
    pub fn move_to(&mut self, device: &Device) -> Result<()> {
        Ok(self.network.move_to(device)?)
    }

    /// Weights and grid in one line, for people.
    pub fn described(&self) -> String {
        let Grid { size: [rows, columns], spacing: [row, _] } = self.grid;
        let assumed = if self.grid_is_known { "" } else { " (assumed)" };
        let path = self.path.display();
        format!(
            "weights from {path}: {}; for {rows} x {columns} pixels of {row} mm{assumed}",
            self.report
        )
    }

    /// Predicts with the network.
    pub fn predictor(&mut self) -> Predictor<'_> {
        Predictor::new(&mut self.network, self.grid).from_file(&self.path)
    }
}

/// The settings of a file's network. All others are ignored, so that files of other versions, whose
/// other settings differ, stay readable.
fn network_of(value: &serde_json::Value) -> Result<Settings> {
    let mut settings = Settings::preset(Preset::Paper, Method::Scratch);
    settings.network = serde_json::from_value(value["network"].clone())
        .map_err(|error| Error::Data(format!("network: {error}")))?;
    settings.check()?;
    Ok(settings)
}

/// Refuses settings of a network many times as large as the tensors beside them, before memory is
/// allocated for it. Weights of an encoder alone are within this.
fn fits(settings: &Settings, path: &Path) -> Result<()> {
    let numbers = |shape: &Vec<usize>| shape.iter().map(|&length| length as f64).product::<f64>();
    let held: f64 = checkpoint::shapes(path)?.values().map(numbers).sum();
    let wanted = settings.network.parameters();
    if wanted > 8.0 * held {
        let what = format!(
            "network.channels={:?} are of {wanted:.1e} parameters, and it holds {held:.1e}",
            settings.network.channels
        );
        return Err(Error::Data(what));
    }
    Ok(())
}

/// Channels and heads of the U-Net in a file, inferred from the shapes of its tensors.
fn infer(path: &Path) -> Result<(Vec<usize>, i64)> {
    let shapes = checkpoint::shapes(path)?;
    let shape = |name: &str| shapes.get(name).map(Vec::as_slice);
    let block = |level, part| format!("encoder.enc_blocks.{level}.{part}.weight");
    let head = |level| format!("decoder.output_convs.{level}.weight");
    let refuse = |what: String| Err(Error::file(path, what));

    let mut channels = Vec::new();
    while let Some(&[cout, ..]) = shape(&block(channels.len(), "conv1")) {
        // Both convolutions are checked, so that no network is built that the file cannot fill.
        let level = channels.len();
        let cin = channels.last().copied().unwrap_or(1);
        for (part, expected) in [("conv1", [cout, cin, 3, 3]), ("conv2", [cout, cout, 3, 3])] {
            let name = block(level, part);
            match shape(&name) {
                Some(found) if found == expected => {}
                Some(found) => return refuse(format!("{name} is {found:?}, not {expected:?}")),
                None => return refuse(format!("lacks {name}; write it again")),
            }
        }
        channels.push(cout);
    }
    if channels.is_empty() {
        let first = shapes.keys().next().map_or("none", String::as_str);
        let expected = block(0, "conv1");
        return refuse(format!("is not the study's U-Net: it has no {expected}, but {first}, ..."));
    }
    let heads = (0..channels.len()).take_while(|&level| shape(&head(level)).is_some()).count();
    if heads == 0 {
        let decoder = shapes.keys().any(|name| name.starts_with("decoder."));
        let what = if decoder { "an encoder and decoder without outputs" } else { "an encoder" };
        return refuse(format!("is pretrained only ({what}); fine-tune it first"));
    }
    match shape(&head(heads - 1)) {
        Some(&[CLASSES, ..]) => Ok((channels, heads as i64)),
        Some(&[1, ..]) => {
            let what = "is pretrained only (its one output is an image); fine-tune it first";
            refuse(what.into())
        }
        found => refuse(format!(
            "has {} classes, not the study's {CLASSES} (background, LV, myocardium, RV)",
            found.and_then(|shape| shape.first()).unwrap_or(&0)
        )),
    }
}

#[cfg(test)]
mod tests {
    use nn::{Init, NameFilter};
    use tensor::DType;

    use super::*;

    fn saved(classes: usize, which: fn(&str) -> bool) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let mut init = Init::new(1, 0, DType::F32);
        let mut network = UNet::new(&mut init, &[2, 3, 4], classes, 2).unwrap();
        let part = NameFilter { module: &mut network, keep: &which };
        checkpoint::save(&path, &part, Metadata::new()).unwrap();
        (folder, path)
    }

    #[test]
    fn the_network_of_a_file_without_settings_is_inferred_from_shapes() {
        let (_folder, path) = saved(CLASSES, |_| true);
        let model = Model::open(&path, None, &[]).unwrap();
        assert_eq!(model.grid, Grid::square(256, 1.25));
        let wanted = UNet::new(&mut Init::new(2, 0, DType::F32), &[2, 3, 4], CLASSES, 2).unwrap();
        assert_eq!(model.network.parameter_count(), wanted.parameter_count());

        let changes = ["network.spacing=1.5".to_owned()];
        let model = Model::open(&path, Some(Preset::Small), &changes).unwrap();
        assert_eq!(model.grid, Grid::square(128, 1.5));
    }

    #[test]
    fn settings_of_a_network_that_the_file_cannot_hold_are_refused_before_it_is_built() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let network = UNet::new(&mut Init::new(1, 0, DType::F32), &[2, 3, 4], CLASSES, 2).unwrap();
        let refusal = |key: &str, value: serde_json::Value| {
            let mut settings = Settings::preset(Preset::Demo, Method::Scratch);
            settings.network.channels = vec![2, 3, 4];
            let mut tree = settings.to_value().unwrap();
            tree["network"][key] = value;
            let metadata = Metadata::from([("settings".to_owned(), tree.to_string())]);
            checkpoint::save(&path, &network, metadata).unwrap();
            let begun = std::time::Instant::now();
            let error = Model::open(&path, None, &[]).err().unwrap();
            assert!(matches!(error, Error::File { .. }) && begun.elapsed().as_secs() < 5);
            error.to_string()
        };
        for (key, value, says) in [
            (
                "channels",
                serde_json::json!([9_223_372_036_854_775_808u64, 2, 4]),
                "takes 1 to 8192",
            ),
            ("channels", serde_json::json!([512, 1024, 2048]), "parameters, and it holds"),
            ("size", serde_json::json!(4_611_686_018_427_387_904u64), "takes 1 to 4096"),
            ("heads", serde_json::json!(i64::MIN), "takes -64 to 64"),
        ] {
            let error = refusal(key, value);
            let place = format!("weights.safetensors: its settings cannot be used: network.{key}=");
            assert!(error.contains(&place) && error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_file_of_pytorch_is_enough() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nn/tests/pytorch");
        for name in ["plain.pt", "wrapped.pt", "data_parallel.pt"] {
            let model = Model::open(&fixtures.join(name), None, &[]).unwrap();
            assert!(model.report.to_string().starts_with("46 "), "{name}: {}", model.report);
        }
    }

    #[test]
    fn what_is_no_segmentation_network_is_refused_with_what_it_is() {
        let refusal = |classes, which| {
            let (_folder, path) = saved(classes, which);
            Model::open(&path, None, &[]).err().unwrap().to_string()
        };
        let encoder = refusal(CLASSES, |name| name.starts_with("encoder."));
        assert!(encoder.contains("encoder") && !encoder.contains("decoder"), "{encoder}");
        let decoder = refusal(CLASSES, |name| !name.contains("output_convs"));
        assert!(decoder.contains("encoder and decoder"), "{decoder}");
        let image = refusal(1, |_| true);
        assert!(image.contains("image"), "{image}");
        let classes = refusal(3, |_| true);
        assert!(classes.contains("3 classes") && classes.contains('4'), "{classes}");
        let foreign = refusal(CLASSES, |name| name.starts_with("decoder."));
        assert!(foreign.contains("U-Net"), "{foreign}");
    }
}
