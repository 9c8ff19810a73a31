// Verifies tokens of the gateway as an MCP server would, with jose.
//
// verify.mjs ISSUER AUDIENCE ALGORITHM    tokens on standard input, one a line; prints their claims
//
// The keys are found by discovery: nothing about them is told.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(require.resolve("jose")));

const [issuer, audience, algorithm] = process.argv.slice(2);
const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
if (metadata.issuer !== issuer) throw new Error(`not its own issuer: ${JSON.stringify(metadata)}`);
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
const rules = {
  issuer,
  algorithms: [algorithm],
  typ: "at+jwt",
  clockTolerance: 5,
  requiredClaims: ["exp", "iat", "nbf", "jti", "sub", "scope", "client_id"],
};

const claims = [];
for (const token of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  claims.push((await jwtVerify(token, keys, { ...rules, audience })).payload);
  const elsewhere = jwtVerify(token, keys, { ...rules, audience: "other" });
  if (await elsewhere.then(() => true, () => false)) {
    throw new Error("a token for one server is good for another");
  }
}
console.log(JSON.stringify(claims));
