//! `argument_schemas`: what the arguments of a server's tools may hold.

use std::collections::BTreeMap;

use portcullis_policy::ArgumentSchema;

use crate::fields::{At, Fields};

pub(crate) fn read(fields: &Fields<'_, '_>) -> BTreeMap<String, ArgumentSchema> {
    let mut schemas = BTreeMap::new();
    for (tool, At { value, place }) in fields.json_map("argument_schemas") {
        match ArgumentSchema::compile(&value) {
            Ok(schema) => {
                schemas.insert(tool, schema);
            }
            Err(invalid) => fields
                .findings
                .error(place, invalid.to_string(), invalid.remedy()),
        }
    }
    schemas
}
