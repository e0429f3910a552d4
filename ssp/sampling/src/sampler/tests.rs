use tempfile::TempDir;

use super::*;
use crate::cache;
use data::CardiacPhase;
use data::{LabelledFrame, Stack, Subject};

const TARGET: Grid = Grid { size: [16, 16], spacing: [1.5, 1.5] };

/// Subject `i`: 3 slices of 4 phases, of which 0 and 2 are labelled; subject 2 is not.
fn subject(i: usize) -> Subject {
    let (phases, slices, rows, columns) = (4, 3, 20, 24);
    let volume = slices * rows * columns;
    let voxels = (0..phases * volume).map(|v| (v * (37 + i) % 251) as f32).collect();
    let labels: Vec<u8> = (0..volume).map(|v| u8::from(v % columns > 8 && v % 3 == 0)).collect();
    let frame =
        |phase, cardiac_phase| LabelledFrame { phase, cardiac_phase, labels: labels.clone() };
    let frames = vec![
        frame(0, CardiacPhase::EndDiastole),
        frame(1, CardiacPhase::Other),
        frame(2, CardiacPhase::EndSystole),
    ];
    Subject {
        id: format!("S{i}"),
        stack: Stack { voxels, phases, slices, rows, columns, spacing: [1.5, 1.2, 8.0] },
        frames: if i == 2 { vec![] } else { frames },
        vendor: None,
        pathology: None,
    }
}

fn cohort(folder: &TempDir) -> Arc<Cache> {
    let ids: Vec<String> = (0..3).map(|i| format!("S{i}")).collect();
    let key = cache::Key::of_settings("test", 1, "");
    let built = Cache::open_or_build(folder.path(), &key, &ids, |i| Ok(subject(i)), |_, _| {});
    Arc::new(built.unwrap().0)
}

fn sampler(cache: &Arc<Cache>, selection: Selection, order: Order, batch: usize) -> Sampler {
    let crops = match order {
        Order::Shuffled => Crops::augmented(TARGET, Augmentation::default(), 2, Centre::Labels),
        Order::Sequential => Crops::plain(TARGET),
    };
    Sampler::new(cache.clone(), &[0, 1, 2], selection, order, crops, batch, 7).unwrap()
}

fn bits(batch: &Batch) -> Vec<u32> {
    batch.images.data::<f32>().iter().map(|v| v.to_bits()).collect()
}

#[test]
fn slices_are_those_of_the_selection() {
    let folder = TempDir::new().unwrap();
    let cache = cohort(&folder);
    assert_eq!(sampler(&cache, Selection::Everything, Order::Shuffled, 5).slices(), 36);
    let labelled = sampler(&cache, Selection::Labelled(Phases::All), Order::Shuffled, 5);
    assert_eq!((labelled.slices(), labelled.batches()), (12, 2));
    assert_eq!(sampler(&cache, Selection::Labelled(Phases::All), Order::Shuffled, 50).batches(), 1);
    let sequential = sampler(&cache, Selection::Labelled(Phases::All), Order::Sequential, 5);
    assert_eq!(sequential.batches(), 3);
    assert_eq!(sequential.batch(0, 2).unwrap().images.dims(), [2, 16, 16, 1]);
    assert!(sequential.batch(0, 3).is_err());
}

#[test]
fn an_epoch_visits_every_slice_once_in_an_order_of_its_own() {
    let folder = TempDir::new().unwrap();
    let sampler = sampler(&cohort(&folder), Selection::Everything, Order::Shuffled, 4);
    let order = |epoch| sampler.visits(epoch).to_vec();
    let mut first = order(0);
    assert_ne!(first, order(1));
    assert_eq!(first, order(0));
    first.sort_unstable();
    assert_eq!(first, (0..36).collect::<Vec<u32>>());
}

#[test]
fn a_batch_has_shapes_labels_and_positions() {
    let folder = TempDir::new().unwrap();
    let cache = cohort(&folder);
    let batch =
        sampler(&cache, Selection::Labelled(Phases::All), Order::Shuffled, 5).batch(3, 1).unwrap();
    assert_eq!(batch.images.dims(), [10, 16, 16, 1]);
    let labels = batch.labels.unwrap();
    assert_eq!(labels.dims(), [10, 16, 16]);
    assert!(labels.data::<u8>().contains(&1) && labels.data::<u8>().iter().all(|&l| l < 2));
    for pair in batch.positions.chunks(2) {
        assert!(pair[0] == pair[1] && [0.0, 1.0 / 3.0, 2.0 / 3.0].contains(&pair[0]));
    }
    let views: Vec<_> = batch.images.data::<f32>().chunks(16 * 16).collect();
    assert!(views.chunks(2).all(|pair| pair[0] != pair[1]), "views of a slice differ");
    assert!(
        sampler(&cache, Selection::Everything, Order::Shuffled, 5)
            .batch(0, 0)
            .unwrap()
            .labels
            .is_none()
    );
}

#[test]
fn a_batch_is_the_same_with_any_number_of_threads_and_in_any_order() {
    let folder = TempDir::new().unwrap();
    let sampler = sampler(&cohort(&folder), Selection::Everything, Order::Shuffled, 6);
    let first = bits(&sampler.batch(2, 3).unwrap());
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            sampler.batch(threads as u32, 0).unwrap();
            assert_eq!(bits(&sampler.batch(2, 3).unwrap()), first, "{threads} threads");
        });
    }
    assert_ne!(bits(&sampler.batch(3, 3).unwrap()), first);
}

/// The same slice is augmented alike, whatever batch it falls into.
#[test]
fn the_batch_size_does_not_change_a_view() {
    let folder = TempDir::new().unwrap();
    let cache = cohort(&folder);
    let [small, large] = [3, 6].map(|n| sampler(&cache, Selection::Everything, Order::Shuffled, n));
    let halves = [0, 1].map(|i| bits(&small.batch(1, i).unwrap())).concat();
    assert_eq!(halves, bits(&large.batch(1, 0).unwrap()));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = TempDir::new().unwrap();
    let cache = cohort(&folder);
    let new = |subjects: &[usize], selection, batch| {
        let crops = Crops::plain(TARGET);
        let order = Order::Sequential;
        match Sampler::new(cache.clone(), subjects, selection, order, crops, batch, 0) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    assert!(new(&[2], Selection::Labelled(Phases::All), 4).contains("no labelled slice"));
    assert!(new(&[3], Selection::Everything, 4).contains("subject 3"));
    assert!(new(&[0], Selection::Everything, 0).contains("batch of 0"));
    assert_eq!(new(&[2], Selection::Everything, 4), "");
}
