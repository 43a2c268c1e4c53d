//! `If-Match` and `If-None-Match`: which version of a row is meant (RFC 9110, section 13.1).

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use underpin_models::project::{ChangeRequestRepository as _, TaskRepository as _};

use super::{
    super::{
        State,
        failure::Failure,
        v1::{OfTask, change_requests::OfChangeRequest},
    },
    Path,
};

/// The version that a row has to have for a change of it to happen; `None` where any will do.
///
/// The change itself compares it, in its transaction. Only where the headers name several versions, or
/// some that are not meant, the row is looked at first; should it change meanwhile, it is another one.
pub(in crate::http) struct IfMatch(pub(in crate::http) Option<i32>);

impl FromRequestParts<Arc<State>> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        let wanted = Tags::read(&parts.headers, &header::IF_MATCH)?;
        let unwanted = Tags::read(&parts.headers, &header::IF_NONE_MATCH)?;
        match (&wanted, &unwanted) {
            (None | Some(Tags::Any), None) => return Ok(Self(None)),
            (Some(Tags::These(tags)), None) if let [tag] = &tags[..] => {
                return tag.version().map(|version| Self(Some(version))).ok_or_else(unfit);
            }
            _ => {}
        }
        // That nothing is there, the change itself says.
        let Some(version) = version(parts, state).await? else { return Ok(Self(None)) };
        let current = Tag { weak: false, text: version.to_string() };
        let fits = wanted.is_none_or(|tags| tags.any(|tag| !tag.weak && tag.text == current.text));
        if fits && unwanted.is_none_or(|tags| !tags.any(|tag| tag.text == current.text)) {
            return Ok(Self(Some(version)));
        }
        Err(Failure::new(
            StatusCode::PRECONDITION_FAILED,
            format!("expected another version, found {version}: read it again"),
        ))
    }
}

/// The version of the task or the change request that the path names.
async fn version(parts: &mut Parts, state: &Arc<State>) -> Result<Option<i32>, Failure> {
    if let Ok(Path(of)) = Path::<OfTask>::from_request_parts(parts, state).await {
        let task = state.project(of.project_id).await?.task(of.project_id, of.task_id).await?;
        return Ok(task.map(|task| task.version));
    }
    let Path(OfChangeRequest { project_id, change_request_id: id }) =
        Path::from_request_parts(parts, state).await?;
    let request = state.project(project_id).await?.change_request(project_id, id).await?;
    Ok(request.map(|request| request.version))
}

fn unfit() -> Failure {
    Failure::new(
        StatusCode::PRECONDITION_FAILED,
        "`If-Match`: expected the `ETag` of an answer, such as `\"3\"`",
    )
}

/// What such a header says.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Any,
    These(Vec<Tag>),
}

/// The tag of a version.
#[derive(Debug, PartialEq, Eq)]
struct Tag {
    weak: bool,
    text: String,
}

impl Tags {
    /// What `name` says, in however many lines.
    fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, Failure> {
        let lines: Option<Vec<_>> =
            headers.get_all(name).iter().map(|line| line.to_str().ok()).collect();
        let lines = lines.ok_or_else(unfit)?;
        if lines.is_empty() {
            return Ok(None);
        }
        if let [line] = &lines[..]
            && line.trim() == "*"
        {
            return Ok(Some(Self::Any));
        }
        let mut tags = Vec::new();
        for line in lines {
            tags.extend(list(line).ok_or_else(unfit)?);
        }
        if tags.is_empty() { Err(unfit()) } else { Ok(Some(Self::These(tags))) }
    }

    fn any(&self, fits: impl Fn(&Tag) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(fits),
        }
    }
}

impl Tag {
    /// The version that it is of; a weak one is of none for sure.
    fn version(&self) -> Option<i32> {
        let number = self.text.parse::<i32>().ok().filter(|_| !self.weak)?;
        (number.to_string() == self.text).then_some(number)
    }
}

/// The tags of a list, which may have gaps; `None` when it is none.
fn list(line: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (text, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if text.contains(' ') {
            return None;
        }
        tags.push(Tag { weak, text: text.to_owned() });
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
    Some(tags)
}

/// Answers 304 where whoever reads has the version that there is.
pub(in crate::http) async fn unless_read(request: Request, next: Next) -> Response {
    let reads = request.method().is_safe();
    let known = Tags::read(request.headers(), &header::IF_NONE_MATCH).ok().flatten();
    let response = next.run(request).await;
    let Some(known) = known.filter(|_| reads && response.status() == StatusCode::OK) else {
        return response;
    };
    let tag = response.headers().get(header::ETAG).cloned();
    let current = tag.as_ref().and_then(|tag| HeaderValue::to_str(tag).ok()).and_then(list);
    match (tag, current.as_deref()) {
        (Some(tag), Some([current])) if known.any(|one| one.text == current.text) => {
            (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response()
        }
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Err` when what is read is no list.
    fn read(lines: &[&str]) -> Result<Option<Tags>, ()> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        Tags::read(&headers, &header::IF_MATCH).map_err(drop)
    }

    fn these(tags: &[(bool, &str)]) -> Tags {
        let tag = |(weak, text): &(bool, &str)| Tag { weak: *weak, text: (*text).to_owned() };
        Tags::These(tags.iter().map(tag).collect())
    }

    #[test]
    fn a_list_of_tags_is_read_as_it_is_written() {
        assert_eq!(read(&[]), Ok(None));
        let read = |lines: &[&str]| read(lines).ok().flatten();
        let these = |tags: &[(bool, &str)]| Some(these(tags));
        assert_eq!(read(&["*"]), Some(Tags::Any));
        assert_eq!(read(&["\"3\""]), these(&[(false, "3")]));
        assert_eq!(read(&["W/\"3\""]), these(&[(true, "3")]));
        assert_eq!(read(&["\"1\", \"2\""]), these(&[(false, "1"), (false, "2")]));
        assert_eq!(
            read(&["\"1\",W/\"2\" ,, \"a,b\","]),
            these(&[(false, "1"), (true, "2"), (false, "a,b")])
        );
        assert_eq!(read(&["\"1\"", "\"2\""]), these(&[(false, "1"), (false, "2")]));
        assert_eq!(read(&["\"\""]), these(&[(false, "")]));
        for wrong in [
            "",
            ",",
            "3",
            "\"3",
            "3\"",
            "\"3\"x",
            "\"1\" \"2\"",
            "w/\"3\"",
            "W/3",
            "\"1\", *",
            "**",
            "\"a b\"",
        ] {
            assert_eq!(read(&[wrong]), None, "{wrong}");
        }
        assert_eq!(read(&["*", "\"1\""]), None);
    }

    #[test]
    fn a_tag_is_of_a_version_in_one_form_alone() {
        for (weak, text, version) in [
            (false, "3", Some(3)),
            (true, "3", None),
            (false, "03", None),
            (false, "+3", None),
            (false, "", None),
            (false, "99999999999", None),
        ] {
            assert_eq!(Tag { weak, text: text.to_owned() }.version(), version, "{text}");
        }
    }
}
