//! The named lists beside the published ones. Here, because `policy` itself reads no file.

use datacoop_policy::lists::named;

/// The published lists, where the reference file is at hand.
#[test]
fn the_lists_are_those_published() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/reference.json");
    let Ok(text) = std::fs::read_to_string(path) else { return };
    for name in ["ks2_bands", "gcse_grades", "gcse_subjects"] {
        let values: Vec<String> = named(name).unwrap().iter().map(|value| format!("{value:?}")).collect();
        let published = format!("{:?}: [{}]", name, values.join(", "));
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        assert!(squeezed(&text).contains(&squeezed(&published)), "{name}");
    }
}
