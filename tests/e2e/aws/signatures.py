"""Verifies requests that were signed for AWS, with botocore.

signatures.py < {region, service, keys: [{id, secret, token}], requests: [{method, target, headers, body}]}

Each request is given, without its signature, to botocore's own signer at the moment that the request
names: what botocore would have written, byte for byte, is what must have arrived. So it is botocore
that says which headers are covered. Prints the id of the key that signed each request.
"""

import datetime
import hashlib
import json
import sys
from unittest.mock import patch

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# The signature itself, and what the connection writes after it was made.
NOT_GIVEN = {"authorization", "content-length"}
SKEW = datetime.timedelta(minutes=5)


def value(request: dict, name: str) -> str | None:
    found = [value for known, value in request["headers"] if known == name]
    assert len(found) <= 1, f"{name} came {len(found)} times"
    return found[0] if found else None


def signed_by_botocore(request: dict, key: dict, region: str, service: str) -> str:
    moment = datetime.datetime.strptime(value(request, "x-amz-date"), SIGV4_TIMESTAMP)
    again = AWSRequest(
        method=request["method"],
        url=f"http://{value(request, 'host')}{request['target']}",
        data=request["body"].encode(),
    )
    for name, text in request["headers"]:
        if name not in NOT_GIVEN:
            again.headers.add_header(name, text)
    signer = SigV4Auth(Credentials(key["id"], key["secret"], key.get("token")), service, region)
    with patch("botocore.auth.get_current_datetime", return_value=moment):
        signer.add_auth(again)
    return again.headers["Authorization"]


def verify(request: dict, told: dict) -> str:
    arrived = value(request, "authorization")
    assert arrived and arrived.startswith("AWS4-HMAC-SHA256 Credential="), arrived
    used = arrived.partition("=")[2].partition("/")[0]
    key = next(key for key in told["keys"] if key["id"] == used)
    assert value(request, "x-amz-security-token") == key.get("token"), "another session token"
    moment = datetime.datetime.strptime(value(request, "x-amz-date"), SIGV4_TIMESTAMP)
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    assert abs(now - moment) < SKEW, f"signed at {moment}"
    # botocore believes this header, as servers do not.
    digest = hashlib.sha256(request["body"].encode()).hexdigest()
    assert value(request, "x-amz-content-sha256") == digest, "another body"

    region, service = told["region"], told["service"]
    expected = signed_by_botocore(request, key, region, service)
    assert arrived == expected, f"{request}\nbotocore: {expected}"
    for other in (
        {**request, "target": request["target"] + "x"},
        {**request, "method": "PUT"},
        {**request, "headers": [*request["headers"], ["mcp-name", "other"]]},
    ):
        assert arrived != signed_by_botocore(other, key, region, service), other
    wrong = {**key, "secret": key["secret"] + "x"}
    assert arrived != signed_by_botocore(request, wrong, region, service)
    return used


def main() -> None:
    told = json.load(sys.stdin)
    print(json.dumps([verify(request, told) for request in told["requests"]]))


main()
