use serde_json::json;

use super::*;

fn one(text: &str) -> Node {
    parse(text, Path::new("a.yaml")).unwrap().remove(0)
}

#[track_caller]
fn refusal(text: &str) -> String {
    let error = parse(text, Path::new("a.yaml")).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn scalars_are_what_people_mean() {
    let cases = [
        ("None", json!(null)),
        ("'None'", json!(null)),
        ("none", json!(null)),
        ("~", json!(null)),
        ("True", json!(true)),
        ("no", json!(false)),
        ("'True'", json!("True")),
        ("12", json!(12)),
        ("+12", json!(12)),
        ("-40.0", json!(-40.0)),
        ("1.0e-4", json!(1e-4)),
        ("1e-4", json!(1e-4)),
        (".5", json!(0.5)),
        ("001", json!("001")),
        ("0", json!(0)),
        ("0.75", json!(0.75)),
        ("'12'", json!("12")),
        ("1e999", json!("1e999")),
        ("inf", json!("inf")),
        ("--5", json!("--5")),
        ("shuffle_patches_image", json!("shuffle_patches_image")),
    ];
    for (text, wanted) in cases {
        assert_eq!(one(&format!("a: {text}")).value()["a"], wanted, "{text}");
    }
    assert_eq!(value("16,32, 64"), json!([16, 32, 64]));
    assert_eq!(value("[8, 8]"), json!([8, 8]));
    assert_eq!(value("a: b: c"), json!("a: b: c"));
    assert_eq!(value(""), json!(null));
}

#[test]
fn lines_documents_and_aliases() {
    let documents = parse("a: &x [1, 2]\nb: *x\n---\nc:\n  d: 001\n---\n", Path::new("f")).unwrap();
    assert_eq!(documents.len(), 2, "an empty document is none");
    assert_eq!(documents[0].value(), json!({"a": [1, 2], "b": [1, 2]}));
    let inner = documents[1].get("c.d").unwrap();
    assert_eq!(inner.place.to_string(), "f, line 5");
    assert_eq!(inner.described(), "001", "the text is kept");
    assert!(documents[1].get("c.e").is_none());
}

#[test]
fn what_is_no_file_of_settings_is_refused_with_its_line() {
    let twice = refusal("a: 1\nb: 2\na: 3");
    assert!(twice.starts_with("a.yaml, line 3: a ") && twice.contains("line 1"), "{twice}");
    assert!(refusal("a: 1\nb: [2").contains("YAML"));
    assert!(refusal("[a]: 1").contains("key"));
    assert!(refusal(&"- ".repeat(100_000)).contains("deep"));
    // Nine lines that stand for a billion values.
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let alias = format!("*a{}, ", n - 1).repeat(10);
        laughs += &format!("a{n}: &a{n} [{}]\n", alias.trim_end_matches(", "));
    }
    assert!(refusal(&laughs).contains("1000000"));
    assert!(refusal("a: *b").contains("line 1"));
}

/// Runs as long as one second at most, in the worst of these cases.
#[test]
fn the_time_and_memory_of_a_file_do_not_grow_faster_than_its_size() {
    let begun = std::time::Instant::now();
    // A text of a megabyte, 20,000 times.
    let aliases = vec!["*a"; 20_000].join(",");
    let bomb = format!("a: &a \"{}\"\nb: [{aliases}]\n", "x".repeat(1_000_000));
    assert!(refusal(&bomb).contains("line 2: more than 64 MiB of text"));
    let key_bomb = format!("a: &a {{{}: 1}}\nb: [{aliases}]\n", "k".repeat(1000));
    assert_eq!(one(&key_bomb).get("b").unwrap().value().as_array().unwrap().len(), 20_000);
    // Aliases within each other would be a tree as deep as the file is long.
    let mut chain = "a0: &a0 [x]\n".to_owned();
    (1..5000).for_each(|n| chain += &format!("a{n}: &a{n} [*a{}]\n", n - 1));
    assert!(refusal(&chain).contains("is nested more than 32 levels"));
    // The parser has a limit of its own for these.
    refusal(&"[".repeat(1_000_000));
    refusal(&"{a: ".repeat(1_000_000));
    let keys: String = (0..150_000).map(|n| format!("k{n}: []\n")).collect();
    assert_eq!(one(&keys).entries().len(), 150_000);
    assert!(refusal(&(keys + "k7: 1")).contains("line 150001: k7 is there already, in line 8"));
    assert!(refusal(&"a: b\n# ".repeat(10 << 20)).contains("more than 64 MiB"));
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_message_quotes_the_beginning_of_a_long_value() {
    let described = one(&format!("a: [{}]", "é".repeat(1000))).get("a").unwrap().described();
    assert!(described.starts_with("[\"éé") && described.chars().count() == 83, "{described}");
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let tree = json!({
        "numbers": [1, -2.5, 3e-5, 1e21, 0.1, 100.0],
        "nested": {"list": [["a", "b c"], []], "none": null, "yes": true, "empty": {}},
        "texts": ["001", "12", "None.", "true", "a: b", "#", "", "é", "runs/x.yaml", "yes", "1e5"],
        "last": {"lower": "none of these"},
    });
    let text = to_text(tree.as_object().unwrap());
    assert_eq!(one(&text).value(), tree, "{text}");
    assert!(text.contains("- 0.00003\n") && text.contains("- 100.0\n"), "{text}");
}
