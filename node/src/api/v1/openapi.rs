//! The description of the interface, made from the same table as its router. Source: OpenAPI 3.1.

use axum::Json;
use serde_json::{Map, Value, json};

use super::{ROUTES, Sends, Verb};

/// The description.
pub(super) async fn shown() -> Json<Value> {
    Json(document())
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let verb = match route.verb {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let mut parameters: Vec<Value> = names
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        let mut operation = json!({
            "summary": route.about,
            "description": format!("Scope `{}`.", route.scope),
            "security": [{ "token": [] }],
            "responses": {
                "200": { "description": "It, as JSON" },
                "401": { "description": "No token, or one that was taken back" },
                "403": { "description": format!("The token lacks the scope `{}`", route.scope) },
                "422": { "description": "What is wrong, and what to do" },
            },
        });
        if route.verb == Verb::Get && matches!(route.path, "/logs/{member}/entries" | "/queries") {
            parameters.push(
                json!({ "name": "from", "in": "query", "schema": { "type": "integer", "minimum": 0 } }),
            );
        }
        let sent = match route.sends {
            Sends::Nothing => None,
            Sends::Asking => Some(("application/json", "#/components/schemas/Asking")),
            Sends::File => Some(("multipart/form-data", "#/components/schemas/Import")),
        };
        if let Some((kind, schema)) = sent {
            operation["requestBody"] =
                json!({ "required": true, "content": { kind: { "schema": { "$ref": schema } } } });
        }
        if route.sends == Sends::File {
            parameters.push(json!({ "name": "dry_run", "in": "query", "allowEmptyValue": true,
                                    "schema": { "type": "string" } }));
        }
        if route.verb == Verb::Post && route.path == "/audit" {
            operation["responses"]["202"] =
                json!({ "description": "It goes on; GET /audit says what it found" });
            operation["responses"]["429"] = json!({ "description": "A person's check goes on; come again" });
        }
        if route.path.ends_with("/events") {
            operation["responses"]["200"] = json!({ "description": "Events until the round is over",
                                                    "content": { "text/event-stream": {} } });
            operation["responses"]["429"] = json!({ "description": "As many streams are open as may be" });
        }
        if route.verb == Verb::Post && route.path == "/queries" {
            operation["responses"]["202"] =
                json!({ "description": "It stands in the log; follow it at /queries/{id}" });
            operation["responses"]["409"] = json!({ "description": "The key was used for another question" });
            parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "required": true,
                                    "schema": { "type": "string", "maxLength": super::asks::KEY_BYTES_MAX } }));
        }
        operation["parameters"] = Value::Array(parameters);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[verb] = operation;
    }
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "A node's interface for programs", "version": "1" },
        "servers": [{ "url": "/api/v1" }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Import": {
                "type": "object",
                "required": ["how", "file"],
                "properties": {
                    "how": {
                        "type": "object",
                        "description": "JSON: how the file is read, as the options of `datacoop import` say",
                        "additionalProperties": false,
                        "required": ["vocabulary"],
                        "properties": {
                            "vocabulary": { "type": "string", "description": "Such as attendance/1" },
                            "columns": { "type": "object", "additionalProperties": text,
                                         "description": "The file's header for a column, by the column's name" },
                            "dates": { "enum": ["day-first", "month-first"] },
                            "repair": { "enum": ["ask", "nothing", "pm-present"] },
                            "infer_terms": { "type": "boolean" },
                            "replace": { "type": "string", "description": "FIRST..LAST, of which all days are replaced" },
                            "day": { "type": "string", "description": "The day of rows without one" },
                        },
                    },
                    "file": { "type": "string", "format": "binary", "description": "With its name: the ending counts" },
                },
            }, "Asking": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "question": { "type": "string", "description": "A name of the catalogue; or `toml`" },
                    "toml": { "type": "string", "description": "A question's definition; or `question`" },
                    "params": { "type": "object", "additionalProperties": text },
                    "by": texts,
                    "for": { "type": "object", "additionalProperties": texts },
                    "period": { "type": "string", "description": "FIRST..LAST; the last whole one, if left out" },
                    "purpose": text,
                    "points": { "type": "integer", "minimum": 1, "description": "The question's own, if left out" },
                    "window": { "type": "string", "description": "Of each stage, such as 2h or 3d" },
                    "min_members": { "type": "integer", "minimum": 1 },
                    "why": text, "benefits": text, "pays": text,
                    "force": { "type": "boolean" },
                },
            } },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_described_and_no_other() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let described: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, ROUTES.len(), "no two routes are one");
        for route in &ROUTES {
            let verb = if route.verb == Verb::Get { "get" } else { "post" };
            let operation = &paths[route.path][verb];
            assert_eq!(operation["summary"], route.about);
            assert!(operation["description"].as_str().unwrap().contains(route.scope.code()));
        }
    }
}
