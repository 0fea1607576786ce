//! Whole files in, inputs and exact problem texts out.

mod aws;
mod random;
mod toml;
mod zone;
mod zone_file;

use super::{Declared, FileText, read_json_set, read_toml};

fn load_toml(text: &str) -> Declared {
    read_toml(&"t.toml".into(), text)
}

fn load_json(texts: &[&str]) -> Declared {
    let file = |(text, i): (&&str, usize)| FileText { path: format!("{i}.json").into(), text: (*text).to_owned() };
    read_json_set(&texts.iter().zip(1..).map(file).collect::<Vec<_>>())
}

fn problems(loaded: &Declared) -> String {
    loaded.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
