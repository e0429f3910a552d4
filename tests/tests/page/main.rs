//! The report of a sweep in a browser: every figure is drawn, and it is readable at the width of a phone
//! as at that of a screen, light and dark.
//!
//! Chromium is found by the environment variable `CHROME` or by `PATH`. If `CINE_PAGES` names a folder, the page
//! and pictures of it are kept there; if `CINE_PAGE` names a report, that is looked at instead of a made-up one.

mod chromium;

use std::path::{Path, PathBuf};

use chromium::Chromium;
use cine_tests::made_up::{self, MadeUp};
use cine_tests::suites::left_out;
use serde_json::{Value, json};
use settings::Method;
use sweep::{self, Ask};
use tempfile::TempDir;

/// Ways to look at a page: its width in CSS pixels, and the colours that the reader prefers.
const VIEWS: [(u32, &str); 4] = [(360, "light"), (360, "dark"), (1200, "light"), (1200, "dark")];

/// A browser; none where there is no Chromium.
fn browser() -> Option<Chromium> {
    let found = chromium::found();
    if found.is_none() {
        let remedy = "Install Debian's package chromium, or name a browser by CHROME.";
        left_out("the report in a browser", "there is no Chromium", remedy);
    }
    found.map(Chromium::start)
}

/// Everything that is wrong with a page when it is looked at so.
fn faults(browser: &mut Chromium, page: &Path, (width, colours): (u32, &str)) -> Vec<String> {
    resize(browser, width, 800, colours);
    let url = format!("file://{}", page.canonicalize().unwrap().display());
    browser.call("Page.navigate", json!({ "url": url }));
    let events = browser.events_until("Page.loadEventFired");
    let found = browser.value(include_str!("look.js"));
    let mut faults: Vec<String> = serde_json::from_value(found).unwrap();
    faults.extend(events.iter().filter_map(|event| said(event, &url)));
    faults
}

/// What an event says against the page `url`, if anything.
fn said(event: &Value, url: &str) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Log.entryAdded" => Some(format!("console: {}", params["entry"]["text"])),
        "Runtime.consoleAPICalled" => Some(format!("console: {}", params["args"])),
        "Runtime.exceptionThrown" => Some(format!("console: {}", params["exceptionDetails"])),
        "Network.requestWillBeSent" => {
            let asked = params["request"]["url"].as_str()?;
            let own = asked == url || asked.starts_with("data:");
            (!own).then(|| format!("fetched: {asked}"))
        }
        _ => None,
    }
}

/// Lays the page out for a window of a size and a preference of colours.
fn resize(browser: &mut Chromium, width: u32, height: u32, colours: &str) {
    let feature = json!({ "name": "prefers-color-scheme", "value": colours });
    browser.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    let mobile = width < 600;
    let metrics =
        json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
    browser.call("Emulation.setDeviceMetricsOverride", metrics);
}

/// Keeps pictures of the page as it is shown.
fn keep(browser: &mut Chromium, folder: &Path, (width, colours): (u32, &str)) {
    /// Pictures higher than this are cut.
    const HIGH: u64 = 1800;
    let height = browser.value("document.body.scrollHeight").as_u64().unwrap();
    for (part, y) in (0..height).step_by(HIGH as usize).enumerate() {
        let high = HIGH.min(height - y);
        let clip = json!({ "x": 0, "y": y, "width": width, "height": high, "scale": 1 });
        let picture = browser
            .call("Page.captureScreenshot", json!({ "clip": clip, "captureBeyondViewport": true }));
        write(folder.join(format!("{width}-{colours}-{part:02}.png")), &picture["data"]);
    }
}

fn write(path: PathBuf, base64: &Value) {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64.as_str().unwrap());
    std::fs::write(path, bytes.unwrap()).unwrap();
}

/// Fails unless the page is shown without faults, however it is looked at.
fn show(browser: &mut Chromium, page: &Path) {
    let folder = std::env::var_os("CINE_PAGES").map(PathBuf::from);
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::copy(page, folder.join("report.html")).unwrap();
    }
    let mut all = Vec::new();
    for view in VIEWS {
        let (width, colours) = view;
        let found = faults(browser, page, view);
        all.extend(found.into_iter().map(|fault| format!("{width} px, {colours}: {fault}")));
        if let Some(folder) = &folder {
            keep(browser, folder, view);
        }
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}

#[test]
fn every_figure_is_drawn_at_any_width() {
    let Some(mut browser) = browser() else { return };
    if let Some(page) = std::env::var_os("CINE_PAGE") {
        return show(&mut browser, Path::new(&page));
    }
    let folder = TempDir::new().unwrap();
    made_up::whole(folder.path());
    sweep::write(folder.path()).unwrap();
    show(&mut browser, &folder.path().join("report.html"));
}

/// Little to show is no reason for faults: one method with one seed and one subject, and a sweep
/// without a cell.
#[test]
fn a_report_of_little_is_shown() {
    let Some(mut browser) = browser() else { return };
    let ask = |method| Ask {
        methods: vec![method],
        counts: vec![Some(5)],
        seeds: vec![0],
        as_given: true,
        ..Ask::default()
    };
    let few = MadeUp { subjects: 1, whole: false, ..MadeUp::default() };
    let none = MadeUp { failed: &|_| Some("out of luck"), ..MadeUp::default() };
    for (made_up, method) in [(few, Method::Mim), (none, Method::Scratch)] {
        let folder = TempDir::new().unwrap();
        made_up.write(&ask(method), folder.path());
        sweep::write(folder.path()).unwrap();
        let page = folder.path().join("report.html");
        assert_eq!(faults(&mut browser, &page, (360, "light")), [""; 0]);
    }
}

/// Faults that are planted in a page, and what is said of them.
const PLANTED: [(&str, &str); 10] = [
    (r#"<figure><svg viewBox="0 0 9 9"><text class="label">x</text></svg></figure>"#, "no marks"),
    (r#"<svg viewBox="0 0 340 99"><g><rect x="300" width="99" height="9"/></g></svg>"#, "cut off"),
    (r#"<svg viewBox="0 0 2000 99" width="300"><g><text y="50">word</text></g></svg>"#, "small"),
    (
        r#"<figure><svg viewBox="0 0 340 99"><text y="50">one</text><text x="9" y="52">two</text>
           </svg></figure>"#,
        "overlap",
    ),
    (r#"<img alt="a picture" src="data:image/png;base64,AAAA">"#, "no picture"),
    (r#"<p style="width: 2000px">wide</p>"#, "wider than the page"),
    (r#"<p style="color: rgb(128 128 128); background: rgb(150 150 150)">faint</p>"#, "faint"),
    ("<p>Dice NaN</p>", "no number"),
    ("<script>console.error('something')</script>", "console"),
    (r#"<img alt="a picture" src="file:///elsewhere.png">"#, "fetched"),
];

#[test]
fn faults_are_found() {
    let Some(mut browser) = browser() else { return };
    let folder = TempDir::new().unwrap();
    made_up::whole(folder.path());
    sweep::write(folder.path()).unwrap();
    let path = folder.path().join("report.html");
    let page = std::fs::read_to_string(&path).unwrap();
    for (fault, said) in PLANTED {
        std::fs::write(&path, page.replace("</body>", &format!("{fault}</body>"))).unwrap();
        let found = faults(&mut browser, &path, (360, "light"));
        assert!(found.iter().any(|line| line.starts_with(said)), "{fault} is not in {found:?}");
    }
}
