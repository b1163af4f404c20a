"""The way to the gateway: one HTTP client; answers become models, refusals carry the server's problem document."""

from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from shared.errors import Problem, SluiceError

M = TypeVar("M", bound=BaseModel)
Id = UUID | str

LOCAL = "http://127.0.0.1:8080"
_TIMEOUT = httpx.Timeout(30.0, read=60.0)


class ApiError(SluiceError):
    """The API refused a request (`status`, `title`, `detail`, `errors` with pointers), or does not answer (0)."""

    def __init__(self, status: int, detail: str, errors: tuple[Problem, ...] = (), *, title: str = "") -> None:
        lines = [detail or title, *(f"  {error}" for error in errors)]
        super().__init__("\n".join(lines))
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors


class Connection:
    """What the operations of each subject stand on."""

    def __init__(
        self, url: str = LOCAL, *, api_key: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Connects on first use.

        Raises:
            ApiError: `url` is no address.
        """
        self._url = url
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            if httpx.URL(url).scheme not in ("http", "https") or not httpx.URL(url).host:
                raise httpx.InvalidURL("no scheme or host")
        except httpx.InvalidURL:
            raise ApiError(0, f"expected an address such as {LOCAL}, got {url}") from None
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def _list(self, model: type[M], path: str, part: str, **parameters: object) -> list[M]:
        answer = await self._call("GET", path, params=given(**parameters))
        return [self._read(model, one) for one in self._part(answer, part)]

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        return self._content(await self._send(method, path, **more))

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def _content(self, answer: httpx.Response) -> Any:
        """What a good answer says; any other one is an error."""
        if answer.is_redirect:
            raise self._elsewhere(answer)
        if not answer.is_success:
            raise refused(answer.status_code, answer.content)
        try:
            return from_json(answer.content) if answer.content else None
        except ValueError:
            raise self._strange() from None

    def _read(self, model: type[M], value: object) -> M:
        try:
            return model.model_validate(value)
        except ValidationError:
            raise self._strange() from None

    def _read_document(self, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._strange()
        return value

    def _part(self, answer: object, name: str) -> list[object]:
        part = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(part, list):
            raise self._strange()
        return part

    def _unreachable(self, error: httpx.TransportError) -> ApiError:
        words = f"no answer from {self._url} ({type(error).__name__})"
        if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
            return ApiError(0, f"{words}; it may still act on the request: see what was done before you repeat it")
        return ApiError(0, f"{words}; make up starts it, SLUICE_URL says where it is")

    def _elsewhere(self, answer: httpx.Response) -> ApiError:
        """Nothing was done. What is followed might be asked with another method, or with the key shown to others."""
        place = answer.headers.get("location", "nowhere")
        return ApiError(
            answer.status_code, f"{self._url} redirects to {place}; SLUICE_URL must be the gateway's address"
        )

    def _strange(self) -> ApiError:
        return ApiError(200, f"{self._url} answers, but not as Sluice does; is it the gateway's address?")


def given(**parameters: object) -> dict[str, str]:
    """Those parameters of a query that have a value."""
    return {name: str(value) for name, value in parameters.items() if value is not None}


def refused(status: int, body: bytes) -> ApiError:
    """The server's problem document (RFC 9457), as far as it is one."""
    try:
        document = from_json(body)
        errors = tuple(Problem(one["pointer"], one["detail"]) for one in document.get("errors", ()))
        title, detail = str(document.get("title", "")), str(document.get("detail", ""))
    except (ValueError, AttributeError, KeyError, TypeError):
        return ApiError(status, f"the server answered {status}")
    return ApiError(status, detail or f"the server answered {status}", errors, title=title)
