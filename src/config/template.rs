//! The commented `vpcedns.toml` with every default, and the reference in docs/settings.md.

use std::fmt::Write as _;

use super::{DEFAULT_FILE, Form, Group, Limit, Limits, Setting, Settings};

/// Columns of a line of the template.
const WIDTH: usize = 110;

/// A `vpcedns.toml` in which every setting and limit stands with its default, as a comment.
///
/// Lines that begin with `#` and no space hold a default: without the `#` they change nothing.
pub fn template() -> String {
    let mut text = String::from(
        "# Settings of vpcedns. A line that begins with '#key' shows a default: remove the '#' to change it.\n\
         # Each key is also a flag (--forward-ca) and an environment variable (VPCEDNS_FORWARD_CA), which win.\n",
    );
    for group in Group::ALL {
        let _ = writeln!(text, "\n# ---- {} ----", group.heading());
        for setting in of(group) {
            text.push('\n');
            comment(&mut text, &format!("{}.", setting.help()));
            let example = toml(setting, &[setting.example]);
            if setting.default.is_empty() && setting.form != Form::List {
                let _ = writeln!(text, "# Not set: {}. Example:\n# {} = {example}", setting.unset, setting.key);
                continue;
            }
            if setting.default.is_empty() {
                let _ = writeln!(text, "# Empty: {}. Example: {example}", setting.unset);
            }
            let _ = writeln!(text, "#{} = {}", setting.key, toml(setting, setting.default));
        }
    }
    let _ = writeln!(
        text,
        "\n# ---- Limits; also --limit KEY=VALUE and VPCEDNS_LIMIT=KEY=VALUE,KEY=VALUE ----\n\n[limits]"
    );
    for limit in Limits::TABLE {
        text.push('\n');
        comment(&mut text, &format!("{} ({}).", limit.help(), range(limit)));
        let _ = writeln!(text, "#{} = {}", limit.key, limit.default);
    }
    text
}

/// docs/settings.md: every setting and limit in tables.
pub fn reference() -> String {
    let mut text = format!(
        "# Settings\n\n\
         Generated from `src/config/`; `UPDATE_DOCS=1 cargo test --test it generated` writes it anew.\n\n\
         A setting is a key of `{DEFAULT_FILE}` (`--config` names another file), a flag of `vpcedns serve` and an environment\n\
         variable. Flags win over variables, variables over the file, the file over defaults. Lists are arrays in the file;\n\
         flags are given repeatedly; variables have commas. `vpcedns config` prints a commented file with every default,\n\
         `vpcedns config --check FILE` says what is wrong with one.\n",
    );
    for group in Group::ALL {
        let _ = writeln!(text, "\n## {}\n\n| key | flag, variable | default | |\n|---|---|---|---|", group.heading());
        for setting in of(group) {
            let default = match (setting.default, setting.form) {
                ([], _) => setting.unset.to_owned(),
                (default, Form::Switch) => default.join(", "),
                (default, _) => format!("`{}`", default.join(", ")),
            };
            let list = if setting.form == Form::List { " (list)" } else { "" };
            let _ = writeln!(
                text,
                "| `{}`{list} | `--{} {}`, `{}` | {default} | {} |",
                setting.key,
                setting.flag(),
                cell(setting.value_name),
                setting.variable(),
                cell(&setting.help())
            );
        }
    }
    text.push_str("\n## Limits\n\nKeys of `[limits]`; `--limit KEY=VALUE`; `VPCEDNS_LIMIT=KEY=VALUE,KEY=VALUE`.\n");
    let mut group = "";
    for limit in Limits::TABLE {
        if limit.group != group {
            group = limit.group;
            let _ = writeln!(text, "\n### {group}\n\n| key | default | range | |\n|---|---|---|---|");
        }
        let Limit { key, default, .. } = limit;
        let _ = writeln!(text, "| `{key}` | {default} | {} | {} |", range(limit), cell(&limit.help()));
    }
    text
}

fn of(group: Group) -> impl Iterator<Item = &'static Setting> {
    Settings::TABLE.iter().filter(move |setting| setting.group == group)
}

/// `0 to 60000 ms`
fn range(limit: &Limit) -> String {
    format!("{} to {} {}", limit.least, limit.most, limit.unit.name()).trim_end().to_owned()
}

/// The values of a setting in TOML.
fn toml(setting: &Setting, values: &[&str]) -> String {
    let string = |text: &&str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    match setting.form {
        Form::Switch => values.join(""),
        Form::Choice(_) | Form::One => values.iter().map(string).collect(),
        Form::List => format!("[{}]", values.iter().map(string).collect::<Vec<_>>().join(", ")),
    }
}

/// A cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// `text` as comments, broken between words.
fn comment(text: &mut String, words: &str) {
    let mut line = String::from("#");
    for word in words.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
