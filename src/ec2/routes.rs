//! Calls that are a method and a path: which action that is, and the parameters in the path.

use axum::http::Method;
use percent_encoding::percent_decode_str;

/// Method, path (`*` stands for one segment, a parameter), action, and what the parameters are called.
pub(super) type Route = (Method, &'static str, &'static str, &'static [&'static str]);

/// An action, and the parameters in the path.
pub(super) type Routed = (&'static str, Vec<(&'static str, String)>);

/// The action of a call; `None` if there is none, or a parameter is not UTF-8.
pub(super) fn find(routes: &[Route], method: &Method, path: &str) -> Option<Routed> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    routes.iter().find_map(|(on, pattern, action, names)| {
        let wanted: Vec<&str> = pattern.split('/').collect();
        let fits = on == method
            && wanted.len() == segments.len()
            && wanted.iter().zip(&segments).all(|(wanted, segment)| *wanted == "*" || wanted == segment);
        let values = wanted.iter().zip(&segments).filter(|(wanted, _)| **wanted == "*").map(|(_, segment)| *segment);
        let values = values.map(|value| percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned));
        let pairs = names.iter().zip(values).map(|(name, value)| Some((*name, value?)));
        fits.then(|| pairs.collect::<Option<Vec<_>>>()).flatten().map(|pairs| (*action, pairs))
    })
}
