"""The schema is true, and says all: schemathesis tries it, and the page is made from it."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from lddu_pipe import layout
from lddu_pipe.server import messages, review_messages
from lddu_pipe.server.reference import reference

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = Path(sysconfig.get_path("scripts")) / "schemathesis"
TOKEN = "a-token-of-the-tests"


@pytest.mark.slow
def test_no_defect_and_no_answer_that_is_not_documented(spawn, wait_for, tmp_path):
    many = 1_000_000
    server = spawn(TOKEN, requests=many, refusals=many, waiting=many, stall=5)
    with server.client() as client:
        # Of something to review: an id that is made up leads nowhere.
        job = client.post("/v1/jobs", files={"media": ("a.wav", b"hello")}).json()["id"]
        wait_for(lambda: client.get(f"/v1/annotations/{job}").status_code == 200)
        # The library that draws is read when first needed: a slow answer would be a failure.
        picture = client.get(f"/v1/annotations/{job}/corrected", params={"format": "png"})
        assert picture.status_code == 200
    config = tmp_path / "schemathesis.toml"
    config.write_text(f'[parameters]\n"path.item_id" = "{job}"\n')
    command = [
        *(SCHEMATHESIS, "run", f"{server.address}/openapi.json"),
        *("--header", f"Authorization: Bearer {TOKEN}"),
        # A transcript whose name has a foreign ending is refused, which no schema can say.
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
        *("--max-examples", "8", "--seed", "1", "--request-timeout", "20", "--no-color"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "defect" not in server.log()
    assert "Traceback" not in server.log()


def test_the_page_about_the_api_is_current():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m lddu_pipe.server.reference > docs/api.md"


def test_every_operation_and_field_has_an_example(serve):
    schema = serve(tokens=(TOKEN,)).get("/openapi.json").json()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            secured = path.startswith("/v1") or path == "/metrics"
            secured = secured and not path.startswith("/v1/media/")
            assert ("security" in operation) == secured
            for body in operation.get("requestBody", {}).get("content", {}).values():
                assert "example" in body, (method, path)
    parts = schema["components"]["schemas"]
    for name in ("JobMessage", "JobsMessage", "AnnotationLayout", "ProblemMessage"):
        assert parts[name]["examples"]
    assert not set(parts) & {"HTTPValidationError", "ValidationError"}


def test_examples_fit_their_own_schema():
    for module, examples in (
        (messages, messages.EXAMPLES),
        (review_messages, review_messages.REVIEW_EXAMPLES),
    ):
        for name, example in examples.items():
            where = layout if name.endswith("Layout") else module
            TypeAdapter(getattr(where, name)).validate_python(example)
