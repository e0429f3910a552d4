//! `views.png`: what a pretext task shows its network.

use kernels::patch_mask::{Masked, patch_mask};

use super::{missing, names, position};
use crate::Result;
use crate::run::folder::RunFolder;
use crate::task::{PretextData, contrastive_loss, patch_mask_of};
use figures::{Column, Sheet, SheetImage, SheetRow, Window};
use sampling::sampler::{Batch, Crops, Sampler};
use settings::{Method, Settings};

/// Slices on a sheet.
const SLICES: usize = 6;

/// Draws views of some slices of the first batch of the first epoch, as the network gets them.
///
/// That batch is named by epoch and index, so training later gets the same one, drawn or not.
///
/// # Errors
/// When a batch cannot be made or the picture cannot be written.
pub fn draw_views(folder: &RunFolder, source: &PretextData, samplers: &[Sampler]) -> Result<()> {
    let Some(path) = missing(folder, "views.png")? else { return Ok(()) };
    let parts = samplers
        .iter()
        .map(|sampler| Ok((sampler.crops(), sampler.batch(0, 0)?)))
        .collect::<Result<Vec<_>>>()?;
    let settings = source.settings;
    let Some((_, batch)) = parts.first() else { return Ok(()) };
    let masked = match settings.method {
        Method::Mim => {
            let mask = patch_mask_of(&settings.pretrain.mim);
            Some(patch_mask(&batch.images, &mask, settings.seed, 0)?)
        }
        _ => None,
    };
    let positions: Vec<f64> = batch.slices.iter().map(|s| position(source.cache, s)).collect();
    let chosen = chosen(settings.method, &positions);
    let strips: Vec<SheetRow> = chosen
        .iter()
        .enumerate()
        .map(|(row, &slice)| {
            let mut names = names(source.cache, &batch.slices[slice]).to_vec();
            if settings.method == Method::Pcl {
                names[0] = format!("{}  {}", row + 1, names[0]);
                names.push(format!("position {:.2}", positions[slice]));
            }
            let views = parts.iter().flat_map(|(crops, batch)| views(crops, batch, slice));
            let hidden = masked.iter().map(|masked| hidden(masked, slice));
            SheetRow { names, images: views.chain(hidden).collect() }
        })
        .collect();
    // What is hidden must not change how images look.
    let plain = if masked.is_some() { 1 } else { usize::MAX };
    let window = Window::of(
        strips.iter().flat_map(|s| s.images.iter().take(plain)).flat_map(|shown| shown.image),
    );
    let related = match settings.method {
        Method::Pcl => related(settings, chosen.iter().map(|&slice| positions[slice]).collect()),
        _ => vec![],
    };
    let columns = columns(settings.method, &parts);
    let title = format!("{}: views of a batch", settings.method.title());
    let notes = vec![caption(settings)];
    let sheet = Sheet { title, notes, columns, strips, window, related };
    sheet.draw()?.write(path)
}

/// All views of a slice.
fn views<'a>(
    crops: &'a Crops,
    batch: &'a Batch,
    slice: usize,
) -> impl Iterator<Item = SheetImage<'a>> + use<'a> {
    let size = crops.target.size;
    let pixels = size[0] * size[1];
    let extents = [batch.slices.len(), crops.views.len()];
    (0..crops.views.len()).map(move |view| {
        let place = crops.arrangement.place(slice, view, extents);
        SheetImage::new(&batch.images.data::<f32>()[place * pixels..][..pixels], size)
    })
}

/// A slice with patches hidden, and outlines around them.
fn hidden(masked: &Masked, slice: usize) -> SheetImage<'_> {
    let [rows, columns] = [masked.images.dims()[1], masked.images.dims()[2]];
    let pixels = rows * columns;
    SheetImage {
        outlined: Some(&masked.mask.data::<u8>()[slice * pixels..][..pixels]),
        ..SheetImage::new(&masked.images.data::<f32>()[slice * pixels..][..pixels], [rows, columns])
    }
}

/// The first slices of a batch. For PCL pairs of neighbours in position, spread from base to apex,
/// because positives are what there is to see.
fn chosen(method: Method, positions: &[f64]) -> Vec<usize> {
    if method != Method::Pcl || positions.len() <= SLICES {
        let mut all: Vec<usize> = (0..positions.len().min(SLICES)).collect();
        if method == Method::Pcl {
            all.sort_by(|&a, &b| positions[a].total_cmp(&positions[b]));
        }
        return all;
    }
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a].total_cmp(&positions[b]));
    let pairs = SLICES / 2;
    let first = |pair: usize| (2 * pair + 1) * order.len() / (2 * pairs) - 1;
    (0..pairs).flat_map(|pair| [order[first(pair)], order[first(pair) + 1]]).collect()
}

/// For each position the others that are its positives.
fn related(settings: &Settings, positions: Vec<f64>) -> Vec<Vec<usize>> {
    let loss = contrastive_loss(&settings.pretrain.contrastive);
    let of = |row: usize| {
        let positive =
            |&other: &usize| other != row && loss.are_positives(positions[row], positions[other]);
        (0..positions.len()).filter(positive).collect()
    };
    (0..positions.len()).map(of).collect()
}

fn columns(method: Method, parts: &[(&Crops, Batch)]) -> Vec<Column> {
    match method {
        Method::Mim => vec![Column::one("image"), Column::one("what the network gets")],
        Method::Dino => {
            let mut columns = vec![Column::one("global view 1"), Column::one("global view 2")];
            if let Some((local, _)) = parts.get(1) {
                columns.push(Column::halves("local views", local.views.len()).apart());
            }
            columns
        }
        _ => vec![Column::one("view 1"), Column::one("view 2")],
    }
}

/// What there is to see.
fn caption(settings: &Settings) -> String {
    let note = match settings.method {
        Method::Scratch => String::new(),
        Method::SimClr => {
            "The two views of a slice are positives, those of all other slices negatives.".into()
        }
        Method::Pcl => format!(
            "Slices whose relative positions, from 0 at the base, differ by less than {} are \
             positives. At the right a lane for each row: a ring at the row, dots at its \
             positives.",
            settings.pretrain.contrastive.threshold
        ),
        Method::Dino => "The student sees all views, the teacher the global ones; the student is \
                         to say of each view what the teacher says of the other global ones."
            .into(),
        Method::Mim => {
            "Patches within the orange lines are hidden; the network is to paint them in.".into()
        }
    };
    format!("{note} All images in one grey-scale window.").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::Preset;

    #[test]
    fn pcl_shows_pairs_from_base_to_apex() {
        let positions: Vec<f64> = (0..30).map(|k| f64::from(k * 7 % 30) / 30.0).collect();
        let rows = chosen(Method::Pcl, &positions);
        let shown: Vec<f64> = rows.iter().map(|&row| positions[row]).collect();
        assert!(shown.is_sorted() && shown[0] < 0.2 && shown[5] > 0.8, "{shown:?}");
        let mut settings = Settings::preset(Preset::Demo, Method::Pcl);
        let pairs = [vec![1], vec![0], vec![3], vec![2], vec![5], vec![4]];
        assert_eq!(related(&settings, shown.clone()), pairs);
        settings.pretrain.contrastive.threshold = 1.0;
        assert!(related(&settings, shown).iter().all(|others| others.len() == 5));
        assert_eq!(chosen(Method::Pcl, &[0.3, 0.1]), [1, 0]);
        assert_eq!(chosen(Method::SimClr, &positions), [0, 1, 2, 3, 4, 5]);
        assert!(chosen(Method::Pcl, &[]).is_empty());
    }
}
