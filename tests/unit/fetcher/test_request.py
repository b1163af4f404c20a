"""A task's call and its vendor become the request that is sent, or a reason why none is."""

import base64
from typing import Any
from uuid import UUID

import pytest

from services.fetcher.call.request import HttpRequest, Unsendable, build_request, redirected, without_credentials
from shared.events.tasks import Call
from shared.specification.vendor import Vendor

JOB = UUID("01890000-0000-7000-8000-00000000abcd")


def vendor(**fields: Any) -> Vendor:
    return Vendor.model_validate({"vendor": "acme", "base_url": "https://api.acme.example/v2", **fields})


def built(call: Call, secrets: dict[str, str] | None = None, **fields: Any) -> HttpRequest:
    request = build_request(call, vendor(**fields), secrets or {}, JOB)
    assert isinstance(request, HttpRequest), request
    return request


def refused(call: Call, secrets: dict[str, str] | None = None, **fields: Any) -> str:
    request = build_request(call, vendor(**fields), secrets or {}, JOB)
    assert isinstance(request, Unsendable), request
    return request.reason


def test_the_path_follows_the_base_url_and_the_query_keeps_its_order() -> None:
    request = built(Call(path="/orders", query={"z": "1", "a": "a b&c=d+e/é"}))
    assert request.url == "https://api.acme.example/v2/orders?z=1&a=a+b%26c%3Dd%2Be%2F%C3%A9"


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("https://a.example/x?key=s&page=2", "https://a.example/x?page=2"),
        ("?page=2&key=s", "?page=2&"),
        ("/x?key", "/x?"),
        ("/x?k%65y=s=t&keys=1#key=s", "/x?keys=1#"),
        ("https://[bad?a=1&key=s", "https://[bad?a=1&"),
        ("/x?a=1&&b#c", "/x?a=1&&b#c"),
        ("key=a/b==", "key=a/b=="),
    ],
)
def test_a_link_is_told_without_the_key(link: str, told: str) -> None:
    auth = {"type": "query", "name": "key", "value": "env:K"}
    assert without_credentials(link, vendor(auth=auth)) == told
    assert without_credentials(link, vendor()) == link


def test_a_parameter_with_several_values_stands_there_once_for_each() -> None:
    assert built(Call(query={"tag": ("a b", "c"), "n": "1"})).url.endswith("/v2/?tag=a+b&tag=c&n=1")


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://a.example", "/", "https://a.example/"),
        ("https://a.example/", "/x", "https://a.example/x"),
        ("https://a.example/v1/", "/x y", "https://a.example/v1/x%20y"),
        ("https://a.example:8443", "/x%2Fy", "https://a.example:8443/x%2Fy"),
        ("https://a.example", "/ä?b#c", "https://a.example/%C3%A4%3Fb%23c"),
    ],
)
def test_paths_are_joined_and_encoded(base: str, path: str, url: str) -> None:
    assert built(Call(path=path), base_url=base).url == url


def test_the_trace_is_the_job() -> None:
    headers = built(Call()).headers
    assert headers["traceparent"].split("-")[1] == JOB.hex
    assert headers["sluice-job"] == str(JOB)
    assert headers["user-agent"].startswith("sluice/")


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"type": "bearer", "token": "env:T"}, "authorization", "Bearer s3cret"),
        ({"type": "header", "name": "X-Key", "value": "env:T"}, "x-key", "s3cret"),
        (
            {"type": "basic", "username": "me", "password": "env:T"},
            "authorization",
            "Basic " + base64.b64encode(b"me:s3cret").decode(),
        ),
    ],
)
def test_credentials_go_into_headers(auth: dict[str, str], name: str, value: str) -> None:
    assert built(Call(), {"env:T": "s3cret"}, auth=auth).headers[name] == value


def test_a_key_in_the_query_is_put_into_links_once() -> None:
    auth = {"type": "query", "name": "key", "value": "env:T"}
    assert built(Call(query={"a": "1"}), {"env:T": "s3 cret"}, auth=auth).url.endswith("/v2/?a=1&key=s3+cret")
    link = Call(url="https://api.acme.example/v2/x?key=%2A%2A%2A&page=2")
    assert built(link, {"env:T": "s3 cret"}, auth=auth).url == "https://api.acme.example/v2/x?page=2&key=s3+cret"


def test_a_job_cannot_set_the_headers_that_the_fetcher_answers_for() -> None:
    call = Call(headers={"Authorization": "mine", "Host": "x", "Content-Length": "9", "X-Mine": "yes"})
    headers = built(call).headers
    assert headers["x-mine"] == "yes"
    assert not {"authorization", "host", "content-length"} & set(headers)


def test_a_request_may_say_who_asks() -> None:
    assert built(Call(headers={"User-Agent": "me (me@example.com)"})).headers["user-agent"] == "me (me@example.com)"


def test_a_body_is_json() -> None:
    request = built(Call(method="POST", body={"number": 10**30, "text": "ü"}))
    assert request.body == '{"number":1000000000000000000000000000000,"text":"ü"}'.encode()
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "é", "a\x00b"])
def test_headers_that_cannot_be_sent_are_refused_without_their_value(value: str) -> None:
    reason = refused(Call(), {"env:T": value}, auth={"type": "header", "name": "X-Key", "value": "env:T"})
    assert reason.startswith("invalid_request")
    assert value not in reason


@pytest.mark.parametrize(
    "link",
    [
        "https://api.acme.example/v2/orders?page=2",
        "https://API.acme.example:443/v2/orders?page=2",
        "/v2/orders?page=2",
        "https://api.acme.example/v2/orders?page=2#top",
    ],
)
def test_a_link_on_the_same_host_is_followed(link: str) -> None:
    url = built(Call(url=link)).url
    assert url.lower().replace(":443", "") == "https://api.acme.example/v2/orders?page=2"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/",
        "http://api.acme.example/v2",
        "https://api.acme.example:8443/v2",
        "https://api.acme.example@evil.example/",
        "https://me@api.acme.example/",
        "//evil.example/x",
        "https://api.acme.example.evil.example/",
        "https://api.acme.example\\@evil.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_a_link_to_elsewhere_is_refused(link: str) -> None:
    assert refused(Call(url=link)).startswith("next_elsewhere")


@pytest.mark.parametrize("link", ["https://[bad", "https://api.acme.example:port/", "https://[::1]:99999/"])
def test_a_link_that_cannot_be_read_is_refused(link: str) -> None:
    assert refused(Call(url=link)).startswith(("invalid_request", "next_elsewhere"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "localhost", "2130706433", "[::1]", "169.254.169.254", "0"])
def test_private_addresses_are_refused_unless_allowed(host: str) -> None:
    assert refused(Call(), base_url=f"http://{host}").startswith("ssrf_blocked")
    assert built(Call(), base_url=f"http://{host}", network={"private_addresses": "allow"}).url.startswith("http://")


def follow(location: str, status: int = 302, method: str = "GET", **fields: Any) -> HttpRequest | Unsendable | None:
    headers = {"authorization": "Bearer s", "x-key": "s", "content-type": "application/json"}
    request = HttpRequest(method, "https://api.acme.example/v2/a", headers, b"{}")
    return redirected(request, status, location, vendor(**{"network": {"redirects": "follow"}, **fields}))


def test_redirects_are_not_followed_unless_allowed() -> None:
    assert follow("/b", network={}) is None
    assert follow("/b", status=200) is None
    assert follow("") is None


def test_credentials_stay_with_their_host() -> None:
    auth = {"type": "header", "name": "X-Key", "value": "env:T"}
    same, other = follow("b", auth=auth), follow("https://cdn.example/b", auth=auth)
    assert isinstance(same, HttpRequest)
    assert isinstance(other, HttpRequest)
    assert same.url == "https://api.acme.example/v2/b"
    assert {"authorization", "x-key"} <= set(same.headers)
    assert not {"authorization", "x-key"} & set(other.headers)


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_only_307_and_308_repeat_the_method(status: int, method: str) -> None:
    following = follow("/b", status=status, method="POST")
    assert isinstance(following, HttpRequest)
    assert following.method == method
    assert (following.body is None) == (method == "GET")


@pytest.mark.parametrize(
    "location",
    ["http://api.acme.example/", "https://127.1/", "ftp://x.example/", "https://me:pw@x.example/", "https://[bad"],
)
def test_dangerous_redirects_are_refused(location: str) -> None:
    following = follow(location)
    assert isinstance(following, Unsendable)
    assert following.reason.startswith("ssrf_blocked: ")
