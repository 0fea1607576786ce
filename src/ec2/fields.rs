//! The fields of a resource, one line each: where it stands in the answer, the filters that look at it, its value.
//!
//! Describing, filtering and paging come from these tables. Paths are of element names: `a.b` is `<a><b>`, `a[]` a list
//! of texts, `a[].b` a list of structures. Lines of one element follow each other.

use std::borrow::Cow;
use std::fmt::Display;

use super::call::Done;
use super::error::ApiError;
use super::filter::{Filters, ResultPage};
use super::params::Params;
use super::record::Tags;
use super::xml::Xml;

/// What a resource has in a field.
pub enum Values<'v> {
    /// The field is not there.
    Absent,
    /// A text.
    One(Cow<'v, str>),
    /// A list, which may be empty.
    Many(Vec<Cow<'v, str>>),
    /// The tags of the resource.
    Tagged(&'v Tags),
    /// Elements that are no plain list, written already.
    Written(String),
}

impl Values<'_> {
    /// A text of something that prints as EC2 writes it.
    pub fn of(value: impl Display) -> Self {
        Self::One(value.to_string().into())
    }

    /// The same where it is there.
    pub fn of_option(value: Option<impl Display>) -> Self {
        value.map_or(Self::Absent, Self::of)
    }

    /// A list of things that print as EC2 writes them.
    pub fn of_each(values: impl IntoIterator<Item = impl Display>) -> Self {
        Self::Many(values.into_iter().map(|value| value.to_string().into()).collect())
    }

    /// The same, but no element at all where the list is empty.
    pub fn of_any(values: impl IntoIterator<Item = impl Display>) -> Self {
        match Self::of_each(values) {
            Self::Many(all) if all.is_empty() => Self::Absent,
            other => other,
        }
    }
}

impl<'v> From<&'v str> for Values<'v> {
    fn from(text: &'v str) -> Self {
        Self::One(text.into())
    }
}

impl<'v> From<&'v String> for Values<'v> {
    fn from(text: &'v String) -> Self {
        Self::One(text.as_str().into())
    }
}

impl From<String> for Values<'_> {
    fn from(text: String) -> Self {
        Self::One(text.into())
    }
}

impl From<bool> for Values<'_> {
    fn from(value: bool) -> Self {
        Self::One(if value { "true" } else { "false" }.into())
    }
}

impl<'v> From<&'v Tags> for Values<'v> {
    fn from(tags: &'v Tags) -> Self {
        Self::Tagged(tags)
    }
}

impl<'v> From<Option<&'v str>> for Values<'v> {
    fn from(text: Option<&'v str>) -> Self {
        text.map_or(Self::Absent, Into::into)
    }
}

/// A field of a resource.
pub struct FieldRow<'v> {
    /// Where it stands in the answer; empty for what only filters look at.
    pub path: &'static str,
    /// What it has.
    pub value: Values<'v>,
}

/// Which fields are asked for.
#[derive(Clone, Copy)]
pub enum FieldChoice<'w> {
    /// Those of the answer.
    Written,
    /// Those that this filter looks at.
    Filtered(&'w str),
}

impl FieldChoice<'_> {
    /// Whether a field with this path and these filters is among them.
    pub fn have(self, path: &str, filters: &[&str]) -> bool {
        match self {
            Self::Written => !path.is_empty(),
            Self::Filtered(name) => filters.contains(&name),
        }
    }
}

/// A resource as a caller is shown it.
pub trait Resource {
    /// Every filter that there is for it; `tag` stands for `tag:<key>`.
    const FILTERS: &'static [&'static str];

    /// Its fields of a kind.
    fn rows(&self, fields: FieldChoice<'_>) -> Vec<FieldRow<'_>>;

    /// Writes its fields.
    fn write(&self, xml: &mut Xml) {
        write(xml, &self.rows(FieldChoice::Written));
    }

    /// Whether all filters of a call leave it in.
    fn passes(&self, filters: &Filters) -> bool {
        filters.iter().all(|filter| {
            let rows = self.rows(FieldChoice::Filtered(filter.kind()));
            rows.iter().any(|row| match &row.value {
                Values::One(text) => filter.takes(text),
                Values::Many(all) => all.iter().any(|text| filter.takes(text)),
                Values::Tagged(tags) => filter.takes_tags(tags),
                Values::Absent | Values::Written(_) => false,
            })
        })
    }
}

impl<R: Resource + Clone> Resource for Cow<'_, R> {
    const FILTERS: &'static [&'static str] = R::FILTERS;

    fn rows(&self, fields: FieldChoice<'_>) -> Vec<FieldRow<'_>> {
        self.as_ref().rows(fields)
    }
}

/// Declares the fields of a resource: `path [filters] = value;`, the filters left out where there are none, and the path
/// empty for what only filters look at.
macro_rules! fields {
    (impl $resource:ty as $name:ident { $($path:literal $([$($filter:literal),* $(,)?])? = $value:expr;)* }) => {
        impl $crate::ec2::fields::Resource for $resource {
            const FILTERS: &'static [&'static str] = &[$($($($filter,)*)?)*];

            #[allow(clippy::too_many_lines, reason = "one line a field")]
            fn rows(&self, fields: $crate::ec2::fields::FieldChoice<'_>) -> Vec<$crate::ec2::fields::FieldRow<'_>> {
                let $name = self;
                let mut rows = Vec::with_capacity(16);
                $(
                    if fields.have($path, &[$($($filter,)*)?]) {
                        rows.push($crate::ec2::fields::FieldRow { path: $path, value: ($value).into() });
                    }
                )*
                rows
            }
        }
    };
}
pub(super) use fields;

fn write(xml: &mut Xml, rows: &[FieldRow<'_>]) {
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let head = head(first.path);
        let end = rest.iter().position(|row| self::head(row.path) != head).unwrap_or(rest.len());
        let (of_head, others) = rest.split_at(end);
        rest = others;
        match head.strip_suffix("[]") {
            Some(name) => write_list(xml, name, of_head),
            None => write_structure(xml, head, of_head),
        }
    }
}

/// The part of a path before the first full stop.
fn head(path: &'static str) -> &'static str {
    path.split_once('.').map_or(path, |(head, _)| head)
}

/// The part behind it.
fn below(path: &'static str) -> &'static str {
    path.split_once('.').map_or("", |(_, rest)| rest)
}

/// `<name>` with a text, or with the rows below it; nothing where none of them is there.
fn write_structure(xml: &mut Xml, name: &'static str, rows: &[FieldRow<'_>]) {
    let mut inner = Vec::new();
    for row in rows {
        match &row.value {
            // a list has brackets in its path
            Values::Many(all) if row.path != name => {
                let all = all.iter().map(|text| Cow::Borrowed(text.as_ref())).collect();
                inner.push(FieldRow { path: below(row.path), value: Values::Many(all) });
            }
            Values::Absent | Values::Many(_) => {}
            Values::Tagged(tags) => xml.list(name, *tags, |xml, (key, value)| {
                xml.text("key", key);
                xml.text("value", value);
            }),
            Values::Written(text) => xml.raw(name, text),
            Values::One(text) if row.path == name => xml.text(name, text),
            Values::One(text) => {
                inner.push(FieldRow { path: below(row.path), value: Values::One(text.as_ref().into()) });
            }
        }
    }
    if !inner.is_empty() {
        xml.element(name, |xml| write(xml, &inner));
    }
}

/// `<name>` with an `<item>` for each value of the longest of the rows; nothing where none of them is there.
fn write_list(xml: &mut Xml, name: &'static str, rows: &[FieldRow<'_>]) {
    let columns = rows.iter().filter_map(|row| if let Values::Many(all) = &row.value { Some(all.len()) } else { None });
    let Some(length) = columns.max() else { return };
    xml.element(name, |xml| {
        for at in 0..length {
            let cells: Vec<FieldRow<'_>> = rows
                .iter()
                .filter_map(|row| Some(FieldRow { path: below(row.path), value: Values::One(cell(row, at)?.into()) }))
                .collect();
            match cells.as_slice() {
                [FieldRow { path: "", value: Values::One(text) }] => xml.text("item", text),
                cells => xml.element("item", |xml| write(xml, cells)),
            }
        }
    });
}

/// What a row has in the item at `at`.
fn cell<'r>(row: &'r FieldRow<'_>, at: usize) -> Option<&'r str> {
    match &row.value {
        Values::Many(all) => all.get(at).map(AsRef::as_ref).filter(|text| !text.is_empty()),
        // the same in each
        Values::One(text) => Some(text),
        _ => None,
    }
}

/// How an action lists a kind of resource.
pub struct Listing {
    /// The element that holds the list.
    pub set: &'static str,
    /// The code by which it refuses unknown filters.
    pub bad_filter: &'static str,
    /// The least `MaxResults` that it takes.
    pub least: u32,
}

impl Listing {
    /// Takes the filters and the page of a call.
    pub fn take<R: Resource>(&self, params: &mut Params) -> Result<(Filters, ResultPage), ApiError> {
        Ok((Filters::take(params, R::FILTERS, self.bad_filter)?, ResultPage::take(params, self.least)?))
    }

    /// The page of `all`, sorted by `id`, that a call asks for.
    pub fn page<R: Resource>(
        &self,
        (filters, page): &(Filters, ResultPage),
        all: impl IntoIterator<Item = R>,
        id: impl Fn(&R) -> String,
    ) -> Done {
        let (found, next) = page.cut(all.into_iter().filter(|one| one.passes(filters)), id);
        let mut answer = Xml::new();
        answer.list(self.set, &found, |xml, one| one.write(xml));
        answer.optional("nextToken", next);
        Done { answer, ..Done::default() }
    }

    /// Takes the filters and the page of a call, and answers with that part of `all`, sorted by `id`.
    pub fn answer<R: Resource>(
        &self,
        params: &mut Params,
        all: impl IntoIterator<Item = R>,
        id: impl Fn(&R) -> String,
    ) -> Result<Done, ApiError> {
        let chosen = self.take::<R>(params)?;
        Ok(self.page(&chosen, all, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing {
        blocks: Vec<&'static str>,
        name: Option<&'static str>,
        tags: Tags,
    }

    fields! {
        impl Thing as thing {
            "thingId" ["thing-id", "thingId"] = "t-1";
            "name" ["name"] = thing.name;
            "blockSet[].block" ["block"] = Values::of_each(&thing.blocks);
            "blockSet[].state.code" = "on";
            "option.a" = thing.name;
            "option.b" ["b"] = true;
            "option.cSet[]" = Values::of_each(["3"]);
            "idSet[]" = Values::of_each(&thing.blocks);
            "noneSet[]" = Values::of_any([""; 0]);
            "tagSet" ["tag", "tag-key"] = &thing.tags;
            "" ["hidden"] = "yes";
        }
    }

    #[test]
    fn a_line_a_field() {
        let tags = Tags::from([("k".to_owned(), "v".to_owned())]);
        let thing = Thing { blocks: vec!["1", "2"], name: None, tags };
        let mut xml = Xml::new();
        thing.write(&mut xml);
        assert_eq!(
            xml.into_text(),
            "<thingId>t-1</thingId><blockSet><item><block>1</block><state><code>on</code></state></item><item><block>2</block>\
             <state><code>on</code></state></item></blockSet><option><b>true</b><cSet><item>3</item></cSet></option><idSet><item>1</item><item>2</item></idSet>\
             <tagSet><item><key>k</key><value>v</value></item></tagSet>"
        );
        let passes = |name: &str, value: &str| {
            let form = format!("Filter.1.Name={name}&Filter.1.Value.1={value}");
            let mut params = Params::decode(form.as_bytes()).unwrap();
            Filters::take(&mut params, Thing::FILTERS, "InvalidFilter").map(|filters| thing.passes(&filters))
        };
        for (name, value, expected) in [
            ("thingId", "t-*", true),
            ("block", "2", true),
            ("block", "3", false),
            ("name", "*", false),
            ("b", "true", true),
            ("tag:k", "v", true),
            ("tag:k", "w", false),
            ("tag-key", "k", true),
            ("hidden", "yes", true),
        ] {
            assert_eq!(passes(name, value).ok(), Some(expected), "{name} {value}");
        }
        assert_eq!(passes("tag", "k").unwrap_err().code, "InvalidFilter");
        assert_eq!(passes("other", "k").unwrap_err().code, "InvalidFilter");
    }
}
