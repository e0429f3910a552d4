//! The benchmark of kernels, small: on the CPU and on a device, every pass gives a figure.

use std::collections::BTreeSet;
use std::time::Duration;

use bench::operations::{KernelBench, Report};
use bench::{Dtypes, Network, Pace};
use cine_tests::devices;
use kernels::registry;
use tensor::{DType, Device};

fn bench(device: Device, features: DType) -> KernelBench {
    let network =
        Network { size: 16, batch: 2, channels: vec![3, 4], mlp: vec![5, 4], head: [6, 4, 7] };
    let pace = Pace { sample: Duration::ZERO, samples: 1, limit: Duration::ZERO };
    let dtypes = Dtypes::of(features);
    let (only, peer) = (vec![], None);
    KernelBench { device, network, dtypes, only, peer, pace, full_ceilings: false }
}

fn check(report: &Report) {
    let timed: BTreeSet<&str> = report.rows().iter().map(|row| row.operation).collect();
    let left_out = report.left_out();
    let known = registry().iter().map(|operation| operation.name);
    let wanted: BTreeSet<&str> = known.filter(|name| !left_out.contains(name)).collect();
    assert_eq!(timed, wanted, "timed (left) and registered operations (right)");
    for row in report.rows() {
        let rate = row.tflop_per_s.unwrap_or(1.0);
        let figures = [row.ms, row.gb_per_s, row.share, rate];
        assert!(figures.iter().all(|f| f.is_finite() && *f > 0.0), "{row:?}");
    }
    let json = serde_json::to_value(report).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), report.rows().len());
    let table = report.to_string();
    assert!(table.contains("conv2d") && table.contains("TFLOP/s"), "{table}");
}

#[test]
fn every_kernel_is_timed_on_every_device() {
    let on_host = bench(Device::Cpu, DType::F32).run(&|_| ()).unwrap();
    check(&on_host);
    assert!(on_host.left_out().is_empty());
    if bench::is_faster_in_bf16(&Device::Cpu) {
        check(&bench(Device::Cpu, DType::BF16).run(&|_| ()).unwrap());
    }
    for device in devices::all("benchmark of kernels") {
        for features in [DType::F32, DType::BF16] {
            let report = bench(device.clone(), features).run(&|_| ()).unwrap();
            check(&report);
            let without = registry().iter().filter(|operation| operation.programs.is_none());
            let without: Vec<&str> = without.map(|operation| operation.name).collect();
            assert_eq!(report.left_out(), without);
        }
    }
}

#[test]
fn what_cannot_be_timed_is_refused_in_one_line() {
    let unknown = KernelBench { only: vec!["conv3d".into()], ..bench(Device::Cpu, DType::F32) };
    let error = unknown.run(&|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("--only conv3d") && error.contains("batch_norm, "), "{error}");
    if !bench::is_faster_in_bf16(&Device::Cpu) {
        let narrow = bench(Device::Cpu, DType::BF16).run(&|_| ()).unwrap_err().to_string();
        assert!(narrow.contains("--dtype bf16") && narrow.contains("no faster"), "{narrow}");
    }
    let absent = Some("no-such-python".into());
    let beside =
        KernelBench { only: vec!["cast".into()], peer: absent, ..bench(Device::Cpu, DType::F32) };
    let error = beside.run(&|_| ()).unwrap_err().to_string();
    assert!(error.contains("--peer no-such-python"), "{error}");
}
