use serde_json::Value;

use super::*;

const PETS: &str = r##"
openapi: 3.0.3
info: {title: Pets, version: "1"}
servers:
  - url: https://{region}.pets.example/v1
    variables: {region: {default: eu}}
paths:
  /pets/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer}, description: Which one.}
      - $ref: "#/components/parameters/Trace"
    get:
      operationId: getPet
      summary: One pet
      parameters:
        - {name: id, in: query, schema: {type: string}}
        - {name: Authorization, in: header, schema: {type: string}}
        - {name: X-Tenant, in: header, required: true, schema: {type: string}}
        - {name: X-API-Key, in: header, required: true, schema: {type: string}}
      responses:
        "200":
          description: ok
          content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}
        "404": {description: none}
    put:
      operationId: getPet
      requestBody:
        required: true
        content:
          application/xml: {schema: {type: object}}
          application/json: {schema: {$ref: "#/components/schemas/Pet"}}
      responses: {"204": {description: done}}
    options: {responses: {}}
  /pets:
    post:
      parameters: [{$ref: "other.yaml#/p"}]
    delete:
      deprecated: true
components:
  parameters:
    Trace: {name: trace, in: cookie, schema: {type: string}}
  schemas:
    Pet:
      type: object
      required: [id]
      properties:
        id: {type: integer, readOnly: true}
        mother: {$ref: "#/components/schemas/Pet"}
"##;

fn origin() -> Origin {
    Origin {
        withheld: vec![HeaderName::from_static("x-api-key")],
        ..Origin::default()
    }
}

fn listed(api: &Api, name: &str) -> Value {
    serde_json::from_str(api.tool(name).unwrap().listed()).unwrap()
}

#[test]
fn a_document_becomes_tools_with_schemas_and_hints() {
    let api = Api::read(PETS, &origin()).unwrap();
    let names: Vec<&str> = api.tools().iter().map(Tool::name).collect();
    assert_eq!(names, ["getpet", "getpet_2", "delete_pets"]);
    let get = listed(&api, "getpet");
    assert_eq!(
        get["inputSchema"],
        serde_json::json!({
            "type": "object",
            "properties": {
                "id": {"type": "integer", "description": "Which one."},
                "query_id": {"type": "string"},
                "X-Tenant": {"type": "string"},
                "trace": {"type": "string"},
            },
            "required": ["id", "X-Tenant"],
            "additionalProperties": false,
        })
    );
    assert_eq!(get["outputSchema"]["type"], "object");
    assert_eq!(get["outputSchema"]["required"], serde_json::json!(["id"]));
    let mother = &get["outputSchema"]["$defs"]["Pet"]["properties"]["mother"];
    assert_eq!(mother["$ref"], "#/$defs/Pet");
    assert_eq!(get["annotations"]["readOnlyHint"], true);
    let put = listed(&api, "getpet_2");
    assert_eq!(
        put["inputSchema"]["required"],
        serde_json::json!(["id", "body"])
    );
    assert_eq!(
        put["inputSchema"]["properties"]["body"]["$ref"],
        "#/$defs/Pet"
    );
    assert!(put["inputSchema"]["$defs"]["Pet"]["properties"]["id"].is_null());
    assert_eq!(put["annotations"]["idempotentHint"], true);
    assert!(put["outputSchema"].is_null(), "a 204 answers nothing");
    assert_eq!(listed(&api, "delete_pets")["description"], "DELETE /pets");
    assert_eq!(
        listed(&api, "delete_pets")["annotations"]["destructiveHint"],
        true
    );
}

#[test]
fn what_is_left_out_is_said_with_its_line() {
    let api = Api::read(PETS, &origin()).unwrap();
    let findings: Vec<String> = api.findings().iter().map(ToString::to_string).collect();
    let has = |what: &[&str]| {
        findings
            .iter()
            .any(|f| what.iter().all(|part| f.contains(part)))
    };
    assert!(has(&["line 17:", "\"Authorization\""]), "{findings:#?}");
    assert!(has(&["\"X-API-Key\""]), "{findings:#?}");
    assert!(
        has(&["POST \"/pets\" is left out", "outside this document"]),
        "{findings:#?}"
    );
}

#[test]
fn a_server_is_where_its_variables_lead_by_default() {
    let api = Api::read(PETS, &origin()).unwrap();
    let request = api.tool("delete_pets").unwrap().request(None).unwrap();
    assert_eq!(request.uri, "https://eu.pets.example/v1/pets");
    assert_eq!(request.chosen_by, crate::ChosenBy::File);
}

/// Each variable holds the next twice: replaced again and again, thirty of them were a gigabyte.
#[test]
fn an_address_does_not_grow_out_of_its_own_variables() {
    let variables: Vec<String> = (0..10)
        .map(|at| format!(r#""v{at}":{{"default":"{{v{0}}}{{v{0}}}"}}"#, at + 1))
        .collect();
    let document = |url: &str| {
        format!(
            r#"{{"openapi":"3.1.0","servers":[{{"url":"{url}","variables":{{{}}}}}],"paths":{{"/a":{{"get":{{}}}}}}}}"#,
            variables.join(",")
        )
    };
    let api = Api::read(&document("https://a.example/{v0}"), &origin()).unwrap();
    let request = api.tools()[0].request(None).unwrap();
    assert!(request.uri.to_string().len() < 100, "{}", request.uri);
    // Nor is one made that is long in itself.
    let long = format!("https://a.example/{}", "x".repeat(9000));
    let api = Api::read(&document(&long), &origin());
    let told = format!("{api:?}");
    assert!(told.contains("longer than 8192 bytes"), "{told}");
    assert!(!told.contains("xxxx"), "{told}");
}

/// What many operations refer to is written out for each of them.
#[test]
fn a_long_name_that_every_operation_shares_does_not_fill_the_memory() {
    let long = "x".repeat(512 * 1024);
    let paths = |shared: &str| {
        let paths = (0..100).map(|at| format!(r#""/p{at}":{{"post":{{{shared}}}}}"#));
        paths.collect::<Vec<_>>().join(",")
    };
    let document = |components: &str, shared: &str| {
        format!(
            r#"{{"openapi":"3.1.0","servers":[{{"url":"https://a.example"}}],"components":{components},"paths":{{{}}}}}"#,
            paths(shared)
        )
    };
    for (components, shared) in [
        (
            format!(r#"{{"parameters":{{"p":{{"name":"{long}","in":"query"}}}}}}"#),
            r##""parameters":[{"$ref":"#/components/parameters/p"}]"##,
        ),
        (
            format!(r#"{{"requestBodies":{{"b":{{"content":{{"text/plain;a={long}":{{}}}}}}}}}}"#),
            r##""requestBody":{"$ref":"#/components/requestBodies/b"}"##,
        ),
        (
            format!(r#"{{"schemas":{{"s":{{"properties":{{"{long}":{{"type":"string"}}}}}}}}}}"#),
            r##""requestBody":{"content":{"application/x-www-form-urlencoded":{"schema":{"$ref":"#/components/schemas/s"}}}}"##,
        ),
    ] {
        let api = Api::read(&document(&components, shared), &origin()).unwrap();
        let tools = api.tools().len();
        assert!((1..80).contains(&tools), "{tools} of {shared}");
        let findings = api.findings();
        assert!(
            findings
                .iter()
                .any(|one| one.message.contains("too large together")),
            "{shared}"
        );
        let most = findings.iter().map(|one| one.message.len()).max();
        assert!(most.unwrap() <= 2048, "{most:?} {shared}");
    }
}

#[test]
fn the_operators_address_wins_and_a_fetched_document_speaks_for_its_own_origin() {
    let one = r#"{"openapi":"3.1.0","servers":[{"url":"SERVER"}],"paths":{"/a":{"get":{}}}}"#;
    let cases = [
        (
            None,
            Some("https://a.example/spec/api.json"),
            "../v2",
            "https://a.example/v2/a",
            "Operator",
        ),
        (
            None,
            Some("https://a.example/api.json"),
            "https://evil.example/",
            "https://evil.example/a",
            "Document",
        ),
        (
            None,
            Some("https://a.example/api.json"),
            "https://a.example:8443/",
            "https://a.example:8443/a",
            "Document",
        ),
        (
            Some("https://mine.example/x/"),
            Some("https://a.example/"),
            "https://evil.example",
            "https://mine.example/x/a",
            "Operator",
        ),
        (None, None, "http://10.0.0.1/", "http://10.0.0.1/a", "File"),
    ];
    for (base, document, server, expected, by) in cases {
        let parsed = |url: Option<&str>| url.map(|url| url.parse().unwrap());
        let origin = Origin {
            base: parsed(base),
            document: parsed(document),
            withheld: Vec::new(),
        };
        let api = Api::read(&one.replace("SERVER", server), &origin).unwrap();
        let request = api.tool("get_a").unwrap().request(None).unwrap();
        assert_eq!(request.uri, expected);
        assert_eq!(format!("{:?}", request.chosen_by), by, "{server}");
    }
    for (server, why) in [
        ("/v1", "write `url`"),
        ("file:///etc/passwd", "no http or https address"),
        ("gopher://a.example", "no http or https address"),
        ("https://u:p@a.example", "holds a login"),
    ] {
        let error = Api::read(&one.replace("SERVER", server), &Origin::default()).unwrap_err();
        assert!(error.to_string().contains(why), "{server}: {error}");
        assert!(!error.to_string().contains("u:p@"), "{error}");
    }
}

#[test]
fn swagger_2_is_read_too() {
    let text = r##"{"swagger":"2.0","host":"a.example","basePath":"/v1","schemes":["http","https"],
        "consumes":["application/json"],
        "paths":{
          "/x":{"post":{"operationId":"Add","parameters":[
            {"name":"tags","in":"query","type":"array","items":{"type":"string"},"collectionFormat":"pipes"},
            {"name":"pet","in":"body","required":true,"schema":{"$ref":"#/definitions/Pet"}}],
            "responses":{"200":{"schema":{"$ref":"#/definitions/Pet"}}}}},
          "/f":{"post":{"operationId":"Up","parameters":[
            {"name":"file","in":"formData","type":"file","required":true},
            {"name":"note","in":"formData","type":"string"}],"responses":{}}}},
        "definitions":{"Pet":{"type":"object","properties":{"n":{"type":"string","x-nullable":true}}}}}"##;
    let api = Api::read(text, &Origin::default()).unwrap();
    let add = listed(&api, "add");
    assert_eq!(add["inputSchema"]["required"], serde_json::json!(["body"]));
    let n = &add["inputSchema"]["$defs"]["Pet"]["properties"]["n"];
    assert_eq!(n["type"], serde_json::json!(["string", "null"]));
    assert_eq!(add["outputSchema"]["type"], "object");
    let up = listed(&api, "up");
    assert_eq!(
        up["inputSchema"]["properties"]["body"]["required"],
        serde_json::json!(["file"])
    );
    let arguments = serde_json::value::RawValue::from_string(
        r#"{"tags":["a","b"],"body":{"n":null,"big":123456789012345678901234567890}}"#.to_owned(),
    )
    .unwrap();
    let request = api.tool("add").unwrap().request(Some(&arguments)).unwrap();
    assert_eq!(request.uri, "https://a.example/v1/x?tags=a%7Cb");
    assert_eq!(
        request.body,
        r#"{"n":null,"big":123456789012345678901234567890}"#
    );
}

#[test]
fn what_is_no_document_is_refused_with_a_reason() {
    for (text, why) in [
        ("{}", "is it an OpenAPI document?"),
        ("openapi: 2.0\n", "`openapi: 2.0` is not read"),
        ("swagger: \"1.2\"\n", "`swagger: 1.2` is not read"),
        ("openapi: 3.1\n", "`paths` is missing"),
        (
            "openapi: 3.1.0\npaths: {}\n",
            "no operation of it can be a tool",
        ),
        ("- a\n", "is it an OpenAPI document?"),
    ] {
        let error = Api::read(text, &Origin::default()).unwrap_err().to_string();
        assert!(error.contains(why), "{text:?}: {error}");
    }
}

#[test]
fn too_many_operations_are_refused() {
    let paths: Vec<String> = (0..2001)
        .map(|at| format!(r#""/p{at}":{{"get":{{}}}}"#))
        .collect();
    let text = format!(r#"{{"openapi":"3.0.0","paths":{{{}}}}}"#, paths.join(","));
    let origin = Origin {
        base: Some("https://a.example".parse().unwrap()),
        ..Origin::default()
    };
    let error = Api::read(&text, &origin).unwrap_err().to_string();
    assert!(error.contains("more than 2000 operations"), "{error}");
}

/// SSRF-05: whoever writes the document does not decide how long it takes to read.
#[test]
fn a_schema_made_of_itself_many_times_over_is_read_and_done() {
    let many = |reference: &str| vec![serde_json::json!({"$ref": reference}); 300];
    let document = serde_json::json!({
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.example"}],
        "paths": {"/a": {"post": {
            "operationId": "a",
            "requestBody": {"content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Form"}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Loop"}}}}},
        }}},
        "components": {"schemas": {
            "Form": {"properties": {"x": {"type": "string"}}, "allOf": many("#/components/schemas/Form")},
            "Loop": {"allOf": many("#/components/schemas/Loop")},
        }},
    });
    let api = Api::read(&document.to_string(), &Origin::default()).unwrap();
    assert_eq!(api.tools().len(), 1);
}

#[test]
fn an_operation_with_too_many_parameters_is_left_out_and_the_others_stay() {
    let parameters = |count: usize| -> Vec<Value> {
        let one = |at| serde_json::json!({"name": format!("p{at}"), "in": "query", "schema": {}});
        (0..count).map(one).collect()
    };
    let document = serde_json::json!({
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.example"}],
        "paths": {
            "/full": {"get": {"operationId": "full", "parameters": parameters(256)}},
            "/flood": {
                "parameters": parameters(100),
                "get": {"operationId": "flood", "parameters": parameters(157)},
            },
        },
    });
    let api = Api::read(&document.to_string(), &Origin::default()).unwrap();
    assert!(api.tool("full").is_some());
    assert!(api.tool("flood").is_none());
    let said = api.findings()[0].to_string();
    assert!(said.contains("more than 256 parameters"), "{said}");
}
