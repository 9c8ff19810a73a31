"""Verifies tokens of the gateway as an MCP server would, with PyJWT.

verify.py ISSUER AUDIENCE ALGORITHM    tokens on standard input, one a line; prints their claims

The keys are found by discovery: nothing about them is told.
"""

import json
import sys
import urllib.request

import jwt


def main() -> None:
    issuer, audience, algorithm = sys.argv[1:]
    with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=10) as answer:
        metadata = json.load(answer)
    assert metadata["issuer"] == issuer, metadata
    assert algorithm in metadata["id_token_signing_alg_values_supported"], metadata
    keys = jwt.PyJWKClient(metadata["jwks_uri"])
    claims = []
    for line in sys.stdin:
        token = line.strip()
        key = keys.get_signing_key_from_jwt(token)
        claims.append(
            jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=audience,
                issuer=issuer,
                leeway=5,
                options={"require": ["exp", "iat", "nbf", "iss", "aud", "sub", "jti"]},
            )
        )
        try:
            jwt.decode(token, key.key, algorithms=[algorithm], audience="other", issuer=issuer)
        except jwt.InvalidAudienceError:
            pass
        else:
            raise AssertionError("a token for one server is good for another")
    print(json.dumps(claims))


main()
