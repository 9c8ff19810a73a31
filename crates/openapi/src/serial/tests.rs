use super::*;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

const LIST: &str = r#"["blue","black",null,0]"#;
const OBJECT: &str = r#"{"R":100,"G":false,"B":"","none":null}"#;

/// The table of OpenAPI 3.1 "Style Examples", with falsy values.
#[test]
fn pairs_are_written_as_their_style_says() {
    let cases = [
        (Style::Form, true, r#""""#, "color="),
        (Style::Form, true, "0", "color=0"),
        (Style::Form, true, "false", "color=false"),
        (Style::Form, true, LIST, "color=blue&color=black&color=0"),
        (Style::Form, false, LIST, "color=blue,black,0"),
        (Style::Form, true, OBJECT, "R=100&G=false&B="),
        (Style::Form, false, OBJECT, "color=R,100,G,false,B,"),
        (Style::SpaceDelimited, false, LIST, "color=blue%20black%200"),
        (Style::PipeDelimited, false, LIST, "color=blue%7Cblack%7C0"),
        (Style::TabDelimited, false, LIST, "color=blue%09black%090"),
        (
            Style::PipeDelimited,
            false,
            OBJECT,
            "color=R%7C100%7CG%7Cfalse%7CB%7C",
        ),
        (
            Style::DeepObject,
            true,
            OBJECT,
            "color%5BR%5D=100&color%5BG%5D=false&color%5BB%5D=",
        ),
        (
            Style::DeepObject,
            true,
            r#"{"a":{"b":[1,2]}}"#,
            "color%5Ba%5D%5Bb%5D=1&color%5Ba%5D%5Bb%5D=2",
        ),
        (
            Style::Json,
            false,
            r#"{"a":[1]}"#,
            "color=%7B%22a%22%3A%5B1%5D%7D",
        ),
        (Style::Form, false, "[]", ""),
        (
            Style::Form,
            true,
            "123456789012345678901234567890",
            "color=123456789012345678901234567890",
        ),
        (
            Style::Form,
            true,
            r#""a&b=c#d +%é""#,
            "color=a%26b%3Dc%23d%20%2B%25%C3%A9",
        ),
    ];
    for (style, explode, value, expected) in cases {
        let pairs = Pairs {
            name: "color",
            style,
            explode,
            allow_reserved: false,
        };
        let written: Vec<String> = pairs
            .of(&raw(value))
            .unwrap()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(written.join("&"), expected, "{style:?} {explode} {value}");
    }
}

#[test]
fn reserved_characters_that_would_end_a_value_are_encoded_even_where_they_are_allowed() {
    let pairs = Pairs {
        name: "q",
        style: Style::Form,
        explode: true,
        allow_reserved: true,
    };
    assert_eq!(
        pairs.of(&raw(r#""a/b:c&d=e#f+g""#)).unwrap(),
        [("q".to_owned(), "a/b:c%26d%3De%23f%2Bg".to_owned())]
    );
}

#[test]
fn paths_are_written_as_their_style_says() {
    let cases = [
        (Style::Simple, false, r#""blue""#, "blue"),
        (Style::Simple, false, LIST, "blue,black,0"),
        (Style::Simple, false, OBJECT, "R,100,G,false,B,"),
        (Style::Simple, true, OBJECT, "R=100,G=false,B="),
        (Style::Label, false, r#""blue""#, ".blue"),
        (Style::Label, false, LIST, ".blue,black,0"),
        (Style::Label, true, LIST, ".blue.black.0"),
        (Style::Label, true, OBJECT, ".R=100.G=false.B="),
        (Style::Matrix, false, r#""blue""#, ";color=blue"),
        (Style::Matrix, false, LIST, ";color=blue,black,0"),
        (Style::Matrix, true, LIST, ";color=blue;color=black;color=0"),
        (Style::Matrix, true, OBJECT, ";R=100;G=false;B="),
        (Style::Matrix, false, OBJECT, ";color=R,100,G,false,B,"),
        (Style::Simple, false, r#""a/b?c#d;e""#, "a%2Fb%3Fc%23d%3Be"),
    ];
    for (style, explode, value, expected) in cases {
        let written = joined("color", style, explode, true, &raw(value)).unwrap();
        assert_eq!(written, expected, "{style:?} {explode} {value}");
    }
}

#[test]
fn a_value_in_which_a_member_stands_twice_is_refused() {
    let twice = raw(r#"{"a":1,"a":2}"#);
    let pairs = Pairs {
        name: "q",
        style: Style::Form,
        explode: true,
        allow_reserved: false,
    };
    assert!(pairs.of(&twice).is_err());
    assert!(joined("q", Style::Simple, false, true, &twice).is_err());
}
