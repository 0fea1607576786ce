//! One tree for TOML and JSON, in which every key and value keeps its place.
//!
//! Knows the two syntaxes and nothing of what the keys mean. Strings are borrowed from the text where they stand there
//! as they are.

use std::borrow::Cow;

use jsonc_parser::ast;
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use toml::de::{DeTable, DeValue};

/// More syntax errors than this help nobody: each makes further ones behind it.
const MAX_SYNTAX_ERRORS: usize = 10;

/// A value and the offset of its first octet.
#[derive(Debug)]
pub(super) struct DocNode<'t> {
    pub(super) at: u32,
    pub(super) value: Value<'t>,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Table(Vec<Entry<'t>>),
    Array(Vec<DocNode<'t>>),
    String(Cow<'t, str>),
    /// In decimal digits.
    Integer(Cow<'t, str>),
    Float(Cow<'t, str>),
    Boolean(bool),
    /// TOML's dates and times, which no key takes.
    Date,
    Null,
}

/// A key with its place, and its value.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) key_at: u32,
    pub(super) node: DocNode<'t>,
}

/// A place at which the text is not of its format.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: u32,
    pub(super) what: String,
    pub(super) hint: &'static str,
}

impl DocNode<'_> {
    /// The value in words, for "expected a string, found ...".
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::Table(_) => "a table".into(),
            Value::Array(_) => "an array".into(),
            Value::String(text) => format!("'{text}'"),
            Value::Integer(text) | Value::Float(text) => text.to_string(),
            Value::Boolean(value) => value.to_string(),
            Value::Date => "a date".into(),
            Value::Null => "null".into(),
        }
    }

    /// The entries of a table; none for other values.
    pub(super) fn entries(&self) -> &[Entry<'_>] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }
}

/// The tree of a TOML text; where there are errors, what is left of it.
pub(super) fn parse_toml(text: &str) -> (DocNode<'_>, Vec<SyntaxError>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let errors = errors.into_iter().take(MAX_SYNTAX_ERRORS).map(|error| {
        let span = error.span().unwrap_or_default();
        let at = span.start as u32;
        match text.get(span) {
            Some(key) if error.message() == "duplicate key" => {
                let what = format!("key '{key}' is given twice");
                SyntaxError { at, what, hint: "keep one of the two" }
            }
            _ => SyntaxError { at, what: error.message().to_owned(), hint: "" },
        }
    });
    let errors = errors.collect();
    (DocNode { at: 0, value: toml_table(root.into_inner()) }, errors)
}

fn toml_table(table: DeTable<'_>) -> Value<'_> {
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, value)| {
            let key_at = key.span().start as u32;
            Entry { key: key.into_inner(), key_at, node: toml_value(value) }
        })
        .collect();
    // the parser sorts by key; problems are told in the order of the file
    entries.sort_unstable_by_key(|entry| entry.key_at);
    Value::Table(entries)
}

fn toml_value(value: toml::Spanned<DeValue<'_>>) -> DocNode<'_> {
    let at = value.span().start as u32;
    let value = match value.into_inner() {
        DeValue::String(text) => Value::String(text),
        DeValue::Integer(integer) => Value::Integer(
            match i128::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(value) => value.to_string(),
                Err(_) => integer.to_string(),
            }
            .into(),
        ),
        DeValue::Float(float) => Value::Float(float.as_str().to_owned().into()),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::Array(items.into_iter().map(toml_value).collect()),
        DeValue::Table(table) => toml_table(table),
    };
    DocNode { at, value }
}

/// The values of a JSON text (RFC 8259): one, or several behind each other, as `cat page*.json` makes them.
pub(super) fn parse_json(text: &str) -> (Vec<DocNode<'_>>, Option<SyntaxError>) {
    let mut roots = vec![];
    let mut base = 0;
    while let Some(rest) = text.get(base..) {
        match json_root(rest) {
            Ok(Some(value)) => roots.push(json_value(value, base as u32)),
            Ok(None) => {}
            Err(error) => {
                let start = error.range().start;
                // the parser takes one root only: it is parsed again without what follows
                if matches!(error.kind(), ParseErrorKind::MultipleRootJsonValues)
                    && start > 0
                    && let Some(Ok(Some(value))) = rest.get(..start).map(json_root)
                {
                    roots.push(json_value(value, base as u32));
                    base += start;
                    continue;
                }
                let mut what = error.kind().to_string();
                if let Some(first) = what.get_mut(..1) {
                    first.make_ascii_lowercase();
                }
                let hint = "a file must hold the whole output of the AWS CLI with `--output json`";
                return (roots, Some(SyntaxError { at: (base + start) as u32, what, hint }));
            }
        }
        break;
    }
    (roots, None)
}

fn json_root(text: &str) -> Result<Option<ast::Value<'_>>, jsonc_parser::errors::ParseError> {
    let options = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    parse_to_ast(text, &CollectOptions::default(), &options).map(|parsed| parsed.value)
}

fn json_value(value: ast::Value<'_>, base: u32) -> DocNode<'_> {
    let (start, value) = match value {
        ast::Value::StringLit(literal) => (literal.range.start, Value::String(literal.value)),
        ast::Value::NumberLit(literal) => (literal.range.start, {
            let text = Cow::Borrowed(literal.value);
            if text.contains(['.', 'e', 'E']) { Value::Float(text) } else { Value::Integer(text) }
        }),
        ast::Value::BooleanLit(literal) => (literal.range.start, Value::Boolean(literal.value)),
        ast::Value::NullKeyword(keyword) => (keyword.range.start, Value::Null),
        ast::Value::Array(array) => {
            let items = array.elements.into_iter().map(|item| json_value(item, base)).collect();
            (array.range.start, Value::Array(items))
        }
        ast::Value::Object(object) => {
            let entries = object.properties.into_iter().map(|property| json_entry(property, base)).collect();
            (object.range.start, Value::Table(entries))
        }
    };
    DocNode { at: base + start as u32, value }
}

fn json_entry(property: ast::ObjectProp<'_>, base: u32) -> Entry<'_> {
    let key = match property.name {
        ast::ObjectPropName::String(literal) => literal.value,
        ast::ObjectPropName::Word(word) => Cow::Borrowed(word.value),
    };
    Entry { key, key_at: base + property.range.start as u32, node: json_value(property.value, base) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_keeps_places_and_order() {
        let (root, errors) = parse_toml("z = 0x1F\na = [true, 1.5]\n[[t]]\nk = 'v'\n");
        assert!(errors.is_empty());
        let keys: Vec<_> = root.entries().iter().map(|e| (&*e.key, e.key_at, e.node.at)).collect();
        assert_eq!(keys, [("z", 0, 4), ("a", 9, 13), ("t", 27, 25)]);
        assert_eq!(root.entries()[0].node.describe(), "31");
    }

    #[test]
    fn toml_errors_are_collected() {
        let (_, errors) = parse_toml("a = 1\na = 2\nb = oops\n");
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert_eq!((errors[0].at, &*errors[0].what), (6, "key 'a' is given twice"));
    }

    #[test]
    fn json_documents_may_follow_each_other() {
        let (roots, error) = parse_json("{\"a\": 1}\n{\"b\": [null]} []\n");
        assert_eq!((roots.len(), error), (3, None));
        assert_eq!(roots[1].at, 9);
        assert_eq!(roots[1].entries()[0].key_at, 10);
        let (roots, error) = parse_json(" \n");
        assert_eq!((roots.len(), error), (0, None));
    }

    #[test]
    fn json_is_strict() {
        for (text, at) in
            [("{\"a\": 1,}", 7), ("// x\n{}", 0), ("{} {\"a\" 1}", 8), ("{a: 1}", 1), ("['a']", 1), ("{", 0)]
        {
            let (_, error) = parse_json(text);
            assert_eq!(error.map(|e| e.at), Some(at), "{text}");
        }
    }
}
