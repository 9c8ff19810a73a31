//! Parameters: where they go, how they are written, what the argument is called.

use http::HeaderName;

use crate::node::Node;
use crate::schema::shapes::Shapes;

/// Where a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
    Cookie,
}

impl Place {
    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            "path" => Some(Self::Path),
            "query" => Some(Self::Query),
            "header" => Some(Self::Header),
            "cookie" => Some(Self::Cookie),
            _ => None,
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// How a list or an object is written (OpenAPI 3 `style`, Swagger 2 `collectionFormat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Form,
    Simple,
    Label,
    Matrix,
    SpaceDelimited,
    PipeDelimited,
    TabDelimited,
    DeepObject,
    /// JSON text: a parameter with `content`.
    Json,
}

/// One parameter of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// Its name in the request.
    pub(crate) name: String,
    /// What the tool calls it.
    pub(crate) argument: String,
    pub(crate) place: Place,
    pub(crate) style: Style,
    pub(crate) explode: bool,
    pub(crate) required: bool,
    /// Reserved characters may stay, as far as they end no value.
    pub(crate) allow_reserved: bool,
    /// What its schema lets through, and so what may be written by its style.
    pub(crate) shapes: Shapes,
}

impl Parameter {
    /// Reads a parameter object of either generation; the argument's name comes later.
    pub(crate) fn read(root: &Node, node: &Node, place: Place, name: &str) -> Self {
        let (style, explode) = style(node, place);
        let described = ["schema", "content", "type"].map(|word| node.get(word).is_some());
        Self {
            name: name.to_owned(),
            argument: String::new(),
            place,
            style,
            explode,
            // A path without one of its parts is another path.
            required: place == Place::Path || node.is_set("required"),
            // Of queries alone: elsewhere it would be another cookie or another step of the path.
            allow_reserved: place == Place::Query && node.is_set("allowReserved"),
            shapes: if described.contains(&true) {
                Shapes::of(root, schema_of(node))
            } else {
                Shapes::SINGLE
            },
        }
    }

    /// A part of the path that no parameter describes.
    pub(crate) fn of_path(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            argument: String::new(),
            place: Place::Path,
            style: Style::Simple,
            explode: false,
            required: true,
            allow_reserved: false,
            shapes: Shapes::SINGLE,
        }
    }
}

/// The schema of a parameter: `schema` or that of its `content`, else the object itself (Swagger 2).
pub(crate) fn schema_of(node: &Node) -> &Node {
    let content = || node.get("content")?.entries().next()?.1.get("schema");
    node.get("schema").or_else(content).unwrap_or(node)
}

fn style(node: &Node, place: Place) -> (Style, bool) {
    if node.get("content").is_some() {
        return (Style::Json, false);
    }
    let usual = match place {
        Place::Query | Place::Cookie => Style::Form,
        Place::Path | Place::Header => Style::Simple,
    };
    // Swagger 2 has no `schema` here, and lists are `csv` unless it says otherwise.
    if node.get("schema").is_none() {
        return match node.text_of("collectionFormat") {
            Some("multi") => (usual, true),
            Some("ssv") => (Style::SpaceDelimited, false),
            Some("tsv") => (Style::TabDelimited, false),
            Some("pipes") => (Style::PipeDelimited, false),
            _ => (usual, false),
        };
    }
    let style = match (node.text_of("style"), place) {
        (Some("spaceDelimited"), Place::Query) => Style::SpaceDelimited,
        (Some("pipeDelimited"), Place::Query) => Style::PipeDelimited,
        (Some("deepObject"), Place::Query) => Style::DeepObject,
        (Some("label"), Place::Path) => Style::Label,
        (Some("matrix"), Place::Path) => Style::Matrix,
        _ => usual,
    };
    let explode = node.get("explode").and_then(Node::flag);
    (style, explode.unwrap_or(style == Style::Form))
}

/// What the transport, the credential or the body says, never an argument: beside the headers that
/// OpenAPI itself leaves out (Accept, Content-Type, Authorization) those that decide whose request it
/// is or where it ends.
const RESERVED: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-real-ip",
];

/// Whether an argument may fill this header.
pub(crate) fn may_fill(name: &HeaderName, withheld: &[HeaderName]) -> bool {
    let text = name.as_str();
    !RESERVED.contains(&text)
        && !text.starts_with("x-forwarded-")
        && !text.starts_with("x-amz-")
        && !withheld.contains(name)
}
