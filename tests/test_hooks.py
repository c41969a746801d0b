"""Webhooks, from the headers to the build: each forge's documented deliveries, signatures, and whatever else comes."""

import json
from base64 import b64encode
from typing import Any

from django.http.request import HttpHeaders
from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds import hooks
from builds.hooks import BadPayload, Envelope, Forged, Ignored, Unknown, Wanted
from builds.source import Source

from . import forges
from .forges import COMMIT, ZEROS, Delivery

SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
NOW = 1_800_000_000.0
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
KEYS = (  # noqa: SIM905 - a list of words is easier to read so
    "ref after deleted head_commit id message author name sender login pusher username action number pull_request head "
    "base sha repo full_name title object_attributes iid oldrev source_project_id target_project_id target_branch "
    "last_commit checkout_sha commits type data commit inputs branch fork"
).split()
VALUES = ["refs/heads/main", "refs/tags/v1", "refs/heads/-x", "refs/heads/", "opened", "open", "update", COMMIT, ZEROS]
LIKELY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 9) | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=12),
    max_leaves=40,
)  # fmt: skip
EVENTS = ("push", "pull_request", "pull_request_sync", "Push Hook", "Tag Push Hook", "Merge Request Hook", "ping", "x")


def taken(delivery: Delivery, secret: str = SECRET, now: float = NOW) -> Wanted | Ignored:
    """The whole way, as the endpoint goes it."""
    headers = HttpHeaders({f"HTTP_{name.upper().replace('-', '_')}": value for name, value in delivery.headers.items()})
    envelope = hooks.read_envelope(headers, delivery.body)
    hooks.verify(envelope, headers, delivery.body, secret, now)
    payload = hooks.read_payload(envelope.forge, delivery.headers["Content-Type"], delivery.body)
    return hooks.read(envelope, payload)


@tag("fast")
class ForgesTest(SimpleTestCase):
    def wanted(self, found: Wanted | Ignored) -> Wanted:
        self.assertIsInstance(found, Wanted)
        assert isinstance(found, Wanted)
        return found

    def ignored(self, delivery: Delivery, why: str) -> None:
        found = taken(delivery)
        self.assertIsInstance(found, Ignored)
        assert isinstance(found, Ignored)
        self.assertRegex(found.why, why)

    def test_github_pushes_a_branch(self) -> None:
        found = self.wanted(taken(forges.github(forges.github_push(message="Fix it\n\nAt last."), SECRET)))
        self.assertEqual(found.ref, "main")
        self.assertEqual(found.source, Source("push", "main", "", COMMIT, "Fix it", "Codertocat"))
        self.assertEqual((found.message, found.sender), ("Fix it\n\nAt last.", "Codertocat"))

    def test_github_sends_the_same_as_a_form(self) -> None:
        found = self.wanted(taken(forges.github_form(forges.github_push(), SECRET)))
        self.assertEqual(found.source.commit, COMMIT)

    def test_github_pushes_a_tag(self) -> None:
        payload = forges.github_push("refs/tags/simple-tag", after="a" * 40)  # the tag's own object
        found = self.wanted(taken(forges.github(payload, SECRET)))
        self.assertEqual(found.ref, "simple-tag")
        self.assertEqual(
            found.source, Source("tag", "", "simple-tag", COMMIT, "Adding a .gitignore file", "Codertocat")
        )

    def test_github_pull_requests(self) -> None:
        for action in ("opened", "synchronize", "reopened"):
            payload = forges.github_pull_request(action)
            found = self.wanted(taken(forges.github(payload, SECRET, event="pull_request")))
            self.assertEqual(found.ref, "refs/pull/2/head")
            self.assertEqual(found.source, Source("pull_request", "main", commit=COMMIT, pull_request=2))
            self.assertEqual(found.message, "Update the README")

    def test_a_pull_request_of_a_fork_is_told_by_its_repository(self) -> None:
        payload = forges.github_pull_request(fork=True)
        self.assertTrue(self.wanted(taken(forges.github(payload, SECRET, event="pull_request"))).source.fork)
        payload["pull_request"]["head"]["repo"] = None  # deleted meanwhile
        self.assertTrue(self.wanted(taken(forges.github(payload, SECRET, event="pull_request"))).source.fork)
        own = forges.github_pull_request()
        own["pull_request"]["head"]["repo"]["fork"] = True  # the project's own repository is a fork of another
        self.assertFalse(self.wanted(taken(forges.github(own, SECRET, event="pull_request"))).source.fork)

    def test_what_github_sends_that_asks_for_no_build(self) -> None:
        self.ignored(forges.github({"zen": "Design for failure.", "hook_id": 1}, SECRET, event="ping"), "ping")
        self.ignored(forges.github({"action": "opened"}, SECRET, event="issues"), "the event issues")
        closed = forges.github_pull_request("closed")
        self.ignored(forges.github(closed, SECRET, event="pull_request"), "was closed")
        gone = forges.github_push(deleted=True, after=ZEROS, head_commit=None)
        self.ignored(forges.github(gone, SECRET), "The branch main was deleted")
        self.ignored(forges.github(forges.github_push("refs/notes/commits"), SECRET), "neither a branch nor a tag")

    def test_gitlab(self) -> None:
        found = self.wanted(taken(forges.gitlab(forges.gitlab_push(), SECRET)))
        self.assertEqual(found.source, Source("push", "main", "", COMMIT, "fixed readme", "GitLab dev user"))
        self.assertEqual(found.sender, "jsmith")
        tagged = forges.gitlab_push("refs/tags/v1.0.0", after="a" * 40, commits=[])
        found = self.wanted(taken(forges.gitlab(tagged, SECRET, event="Tag Push Hook")))
        self.assertEqual(found.source, Source("tag", "", "v1.0.0", COMMIT))
        gone = forges.gitlab_push(after=ZEROS, checkout_sha=None, commits=[])
        self.ignored(forges.gitlab(gone, SECRET), "deleted")
        self.ignored(forges.gitlab({}, SECRET, event="Pipeline Hook"), "the event Pipeline Hook")

    def test_gitlab_merge_requests(self) -> None:
        for payload in (forges.gitlab_merge_request(), forges.gitlab_merge_request("update", oldrev=forges.BEFORE)):
            found = self.wanted(taken(forges.gitlab(payload, SECRET, event="Merge Request Hook")))
            self.assertEqual(found.ref, "refs/merge-requests/7/head")
            expected = Source("pull_request", "main", "", COMMIT, "fixed readme", "GitLab dev user", 7)
            self.assertEqual(found.source, expected)
        fork = forges.gitlab_merge_request(fork=True)
        self.assertTrue(self.wanted(taken(forges.gitlab(fork, SECRET, event="Merge Request Hook"))).source.fork)
        for action, why in (("update", "no commit with it"), ("merge", "merge; built are"), ("approved", "approved")):
            changed = forges.gitlab_merge_request(action)
            self.ignored(forges.gitlab(changed, SECRET, event="Merge Request Hook"), why)

    def test_gitlab_signs_as_standard_webhooks_where_it_has_a_signing_token(self) -> None:
        signed = forges.generic(forges.gitlab_push(), SECRET, at=NOW, **{"X-Gitlab-Event": "Push Hook"})
        self.assertEqual(self.wanted(taken(signed)).source.commit, COMMIT)
        with self.assertRaisesRegex(Forged, "does not fit"):
            taken(signed, secret="whsec_" + b64encode(bytes(32)).decode())

    def test_gitea_and_forgejo(self) -> None:
        for name in ("Gitea", "Forgejo"):
            delivery = forges.gitea(forges.gitea_push(), SECRET, name=name)
            found = self.wanted(taken(delivery))
            self.assertEqual(found.source, Source("push", "main", "", COMMIT, "Webhooks Yay!", "Gitea"))
            envelope = hooks.read_envelope(delivery.headers, b"")
            self.assertEqual((envelope.forge, envelope.delivery), (name.lower(), "f6266f16-1bf3"))
            opened = forges.github_pull_request("synchronized", fork=True)
            found = self.wanted(taken(forges.gitea(opened, SECRET, event="pull_request", name=name)))
            self.assertEqual((found.ref, found.source.fork), ("refs/pull/2/head", True))
            self.ignored(forges.gitea({"ref": "main"}, SECRET, event="create", name=name), "the push beside it")
            old = forges.gitea_push(head_commit=None)  # before 1.16
            self.assertEqual(self.wanted(taken(forges.gitea(old, SECRET, name=name))).source.title, "Webhooks Yay!")

    def test_a_generic_one(self) -> None:
        payload = {"type": "push", "data": {"ref": "refs/heads/main", "inputs": {"target": "linux"}, "message": "Hi"}}
        found = self.wanted(taken(forges.generic(payload, SECRET, at=NOW)))
        self.assertEqual(
            (found.ref, found.source, found.inputs), ("main", Source("push", "main", title="Hi"), {"target": "linux"})
        )
        payload = {"type": "pull_request", "data": {"number": 3, "branch": "main", "commit": COMMIT}}
        found = self.wanted(taken(forges.generic(payload, SECRET, at=NOW)))
        self.assertTrue(found.source.fork, "unless its sender says that it is none")
        self.ignored(forges.generic({"type": "ping"}, SECRET, at=NOW), "ping")
        self.ignored(forges.generic({"type": "user.created"}, SECRET, at=NOW), "the type user.created")
        for wrong in ({}, {"type": 3}, {"type": "push"}, {"type": "push", "data": {"ref": "main"}},
                      {"type": "push", "data": {"ref": "refs/heads/x", "inputs": [1]}},
                      {"type": "push", "data": {"ref": "refs/heads/--upload-pack=evil"}},
                      {"type": "push", "data": {"ref": "refs/heads/x", "commit": "--output=x"}}):  # fmt: skip
            with self.assertRaisesRegex(BadPayload, "expected", msg=str(wrong)):
                taken(forges.generic(wrong, SECRET, at=NOW))


@tag("fast")
class SignaturesTest(SimpleTestCase):
    def test_the_example_that_github_documents(self) -> None:
        signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        envelope = Envelope("github", "push", "1")
        headers = {"X-Hub-Signature-256": signature}
        hooks.verify(envelope, headers, b"Hello, World!", "It's a Secret to Everybody", NOW)
        for body, secret in ((b"Hello, World?", "It's a Secret to Everybody"), (b"Hello, World!", "It's a secret")):
            with self.assertRaisesRegex(Forged, "does not fit"):
                hooks.verify(envelope, headers, body, secret, NOW)

    def test_the_example_of_standard_webhooks(self) -> None:
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        envelope = hooks.read_envelope(headers, b"")
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        hooks.verify(envelope, headers, b'{"test": 2432232314}', secret, 1614265330)

    def test_no_signature_is_no_signature(self) -> None:
        for forge, name in (
            ("github", "Hub"),
            ("gitea", "Gitea"),
            ("forgejo", "Forgejo"),
            ("gitlab", "Token"),
            ("generic", "webhook"),
        ):
            with self.assertRaisesRegex(Forged, f"no signature.*{name}|neither.*{name}"):
                hooks.verify(Envelope(forge, "push", "1"), {}, b"{}", SECRET, NOW)

    def test_no_part_of_a_signature_and_no_other_algorithm_will_do(self) -> None:
        good = forges.github(b"{}", SECRET).headers["X-Hub-Signature-256"]
        for bad in (good[:-1], good[7:], good.upper(), "sha1=" + good[7:], "sha256=", good + "0", "é" * 71, "\udcff"):
            with self.assertRaises(Forged):
                hooks.verify(Envelope("github", "push", "1"), {"X-Hub-Signature-256": bad}, b"{}", SECRET, NOW)

    def test_forgejo_is_not_taken_by_the_signature_of_another_name(self) -> None:
        headers = dict(forges.gitea({}, SECRET, name="Forgejo").headers)
        headers["X-Forgejo-Signature"] = "0" * 64
        with self.assertRaises(Forged):
            hooks.verify(hooks.read_envelope(headers, b"{}"), headers, b"{}", SECRET, NOW)

    def test_an_old_or_early_time_is_refused(self) -> None:
        payload = {"type": "ping"}
        for at, said in ((NOW - 301, "301 s ago"), (NOW + 400, "400 s ahead"), (0, "ago")):
            with self.assertRaisesRegex(Forged, said):
                taken(forges.generic(payload, SECRET, at=at))
        for at in (NOW - 300, NOW + 300):
            taken(forges.generic(payload, SECRET, at=at))
        for wrong in ("", "-1", "1e9", "٣", "9" * 16, "1.5"):
            delivery = forges.generic(payload, SECRET, at=NOW)
            delivery.headers["webhook-timestamp"] = wrong
            with self.assertRaises(Forged):
                taken(delivery)

    def test_one_of_several_signatures_is_enough(self) -> None:
        delivery = forges.generic({"type": "ping"}, SECRET, at=NOW)
        good = delivery.headers["webhook-signature"]
        delivery.headers["webhook-signature"] = f"v1a,{good[3:]} v1,AAAA {good}"
        taken(delivery)
        delivery.headers["webhook-signature"] = f"v2,{good[3:]} {good[3:]}"
        with self.assertRaises(Forged):
            taken(delivery)

    def test_a_script_may_take_the_secret_as_it_is_written(self) -> None:
        literal = "whsec_" + b64encode(SECRET.encode()).decode()  # so that its key is the text of SECRET
        taken(forges.generic({"type": "ping"}, literal, at=NOW), secret=SECRET)

    def test_a_new_secret_is_one_of_standard_webhooks(self) -> None:
        made = hooks.new_secret()
        self.assertRegex(made, r"\Awhsec_[A-Za-z0-9+/]{43}=\Z")
        self.assertNotEqual(made, hooks.new_secret())

    @given(st.text(max_size=100), st.binary(max_size=50), st.sampled_from(hooks.FORGES))
    def test_nothing_but_the_right_signature_is_taken(self, given_: str, body: bytes, forge: str) -> None:
        names = (
            "X-Hub-Signature-256",
            "X-Gitea-Signature",
            "X-Forgejo-Signature",
            "X-Gitlab-Token",
            "webhook-signature",
        )
        headers = dict.fromkeys(names, given_) | {"webhook-id": "1", "webhook-timestamp": str(int(NOW))}
        if forge == "gitlab":
            del headers["webhook-signature"]
        with self.assertRaises(Forged) as raised:
            hooks.verify(Envelope(forge, "push", "1"), headers, body, SECRET, NOW)
        self.assertNotIn(SECRET, str(raised.exception))


@tag("fast")
class EnvelopeTest(SimpleTestCase):
    def test_without_a_number_of_its_own_a_delivery_is_known_by_its_body(self) -> None:
        one = hooks.read_envelope({"X-Gitlab-Event": "Push Hook"}, b"{}")
        self.assertRegex(one.delivery, r"\Abody:[0-9a-f]{64}\Z")
        self.assertEqual(one, hooks.read_envelope({"X-Gitlab-Event": "Push Hook"}, b"{}"))
        self.assertNotEqual(one, hooks.read_envelope({"X-Gitlab-Event": "Push Hook"}, b"[]"))

    def test_each_attempt_of_gitlab_is_the_same_delivery(self) -> None:
        headers = forges.gitlab({}, SECRET, number="again").headers
        self.assertEqual(hooks.read_envelope(headers, b"").delivery, "again")
        del headers["Idempotency-Key"]
        self.assertEqual(hooks.read_envelope(headers, b"").delivery, headers["X-Gitlab-Event-UUID"])

    def test_what_is_of_no_forge_is_told_what_was_expected(self) -> None:
        with self.assertRaisesRegex(Unknown, "X-GitHub-Event.*webhook-id"):
            hooks.read_envelope({"Content-Type": "application/json"}, b"{}")

    @given(st.text(max_size=200), st.sampled_from(["X-GitHub-Event", "X-Gitlab-Event", "webhook-id"]))
    def test_any_header_is_read_or_refused(self, value: str, name: str) -> None:
        try:
            found = hooks.read_envelope({name: value}, b"")
        except Unknown as error:
            self.assertIn("expected", str(error))
        else:
            self.assertLessEqual(len(found.event), 60)
            self.assertLessEqual(len(found.delivery), 128)


@tag("fast")
class PayloadTest(SimpleTestCase):
    def refused(self, body: bytes, said: str, forge: str = "github", kind: str = "application/json") -> None:
        with self.assertRaisesRegex(BadPayload, said):
            hooks.read_payload(forge, kind, body)

    def test_what_is_no_object_of_json_is_refused(self) -> None:
        for body in (b"", b"{", b"\xff", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": ' + b"9" * 5_000 + b"}", b"{} {}"):
            self.refused(body, "not JSON")
        for body in (b"[]", b"3", b'"x"', b"null"):
            self.refused(body, "not an object")

    def test_a_bomb_of_brackets_is_refused(self) -> None:
        for one in (b"[", b'{"a":'):
            self.refused(b'{"x":' + one * 200_000, "nested too deeply")

    def test_kinds_of_content(self) -> None:
        for kind in ("application/json; charset=utf-8", "Application/JSON"):
            self.assertEqual(hooks.read_payload("gitea", kind, b"{}"), {})
        for kind in ("", "text/plain", "application/xml", "x" * 300):
            self.refused(b"{}", r"Content-Type: expected application/json", kind=kind)
        form = "application/x-www-form-urlencoded"
        self.refused(b"payload=%7B%7D", "Content-Type", forge="gitea", kind=form)
        for body in (b"", b"a=1"):
            self.refused(body, "no field 'payload'", kind=form)
        for body in (b"a=1&" * 50, b"\xff=1"):
            self.refused(body, "not a form", kind=form)
        self.refused(b"payload=1&payload=2", "more than one", kind=form)
        self.refused(b"payload=%5B%5D", "not an object", kind=form)

    @given(st.sampled_from(hooks.FORGES), st.sampled_from(EVENTS), LIKELY | ANY_JSON)
    def test_whatever_is_in_it_is_read_ignored_or_refused(self, forge: str, event: str, payload: Any) -> None:
        if not isinstance(payload, dict):
            payload = {
                "ref": payload,
                "pull_request": payload,
                "object_attributes": payload,
                "data": payload,
                "type": "push",
            }
        json.dumps(payload)
        try:
            found = hooks.read(Envelope(forge, event, "1"), payload)
        except BadPayload as error:
            self.assertIn("expected", str(error))
        else:
            if isinstance(found, Wanted):
                self.assertLessEqual(len(found.ref), 250)
                self.assertFalse(found.ref.startswith("-"))


@tag("fast")
class SkipTest(SimpleTestCase):
    def test_the_words_count_anywhere_and_the_trailer_at_the_end(self) -> None:
        for message in ("[skip ci] x", "Fix\n\nNot yet [CI Skip].", "a [no ci]", "docs [skip buildboard]"):
            self.assertRegex(hooks.why_skipped(message), r"Its message says \[")
        for message in ("x\n\nskip-checks: true", "x\n\nCo-authored-by: A\nskip-checks:true\n\n", "Skip-Checks: TRUE"):
            self.assertRegex(hooks.why_skipped(message), "skip-checks")
        for message in ("", "skip ci", "[skip  ci]", "[skipci]", "skip-checks: true\n\nNo.", "x\n\nskip-checks: false"):
            self.assertEqual(hooks.why_skipped(message), "")
