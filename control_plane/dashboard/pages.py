"""The pages: fleet, cluster, topics; every one works before scripts load."""

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.orm import Session

from control_plane.dashboard import charts, figures
from control_plane.dashboard.clusters import cluster_view, topic_limits, topic_view
from control_plane.dashboard.fleet import fleet_of
from control_plane.dashboard.sign_in import SignedInDep, check_csrf, csrf_for, session_text
from control_plane.dashboard.site import page
from control_plane.dashboard.snippets import snippets
from control_plane.dashboard.views import NO_FORM, Plot, TopicForm
from control_plane.domain.durations import parse_ms
from control_plane.domain.errors import Invalid, ServiceError
from control_plane.http.context import Context, ContextDep
from control_plane.http.errors import check_path_text
from control_plane.http.request_ids import request_id_of
from control_plane.http.units import SessionDep, TransactionRoute, UnitDep
from control_plane.http.wake import wake_after_commit
from control_plane.models import Account, Cluster, Topic
from control_plane.services import attachments, clusters, throughput, topics

router = APIRouter(route_class=TransactionRoute)
FormText = Annotated[str, Form(max_length=1024)]


def cluster_of(cluster: str, account: SignedInDep, session: SessionDep) -> Cluster:
    return clusters.get(session, account, check_path_text(cluster, "cluster"))


ClusterDep = Annotated[Cluster, Depends(cluster_of)]


def _frame(request: Request, context: Context, account: Account) -> dict[str, Any]:
    """What the frame around every page shows."""
    csrf = csrf_for(context, session_text(request))
    return {"account": account, "csrf": csrf, "here": "clusters", "can_delete": False}


@router.get("/")
def show_fleet(
    request: Request, account: SignedInDep, session: SessionDep, context: ContextDep
) -> Response:
    return page(
        request,
        "fleet.html",
        **_frame(request, context, account),
        stream="/ui/stream",
        fleet=fleet_of(session, account, now=context.clock.now()),
        slug=context.settings.addon_slug,
    )


@router.get("/clusters/{cluster}")
def show_cluster(
    request: Request,
    cluster: ClusterDep,
    account: SignedInDep,
    session: SessionDep,
    context: ContextDep,
) -> Response:
    now = context.clock.now()
    links = attachments.of_addon(session, cluster.addon)
    return page(
        request,
        "cluster.html",
        **_frame(request, context, account),
        stream=f"/ui/clusters/{cluster.addon_id}/stream",
        tab="overview",
        cluster=cluster_view(session, cluster, now=now),
        plot=plot_of(session, cluster, now),
        snippets=snippets(app=cluster.addon.app.name, prefix=links[0].name if links else "KAFKA"),
    )


@router.get("/ui/clusters/{cluster}/series")
def read_series(
    cluster: ClusterDep, session: SessionDep, context: ContextDep, after: int = 0
) -> JSONResponse:
    """The throughput chart's columns from the bucket `after` (Unix seconds) on."""
    history = history_of(session, cluster, context.clock.now())
    first = next((at for at, t in enumerate(history.times_s) if t >= after), len(history.times_s))
    return JSONResponse(
        charts.columns(history.times_s[first:], history.bytes_in[first:], history.bytes_out[first:])
    )


@router.get("/clusters/{cluster}/topics")
def show_topics(
    request: Request,
    cluster: ClusterDep,
    account: SignedInDep,
    session: SessionDep,
    context: ContextDep,
) -> Response:
    return _topics_page(request, cluster, account, session, context, NO_FORM)


@router.post("/clusters/{cluster}/topics", dependencies=[Depends(check_csrf)])
def create_topic(
    request: Request,
    cluster: ClusterDep,
    account: SignedInDep,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
    name: FormText = "",
    partition_count: FormText = "",
    retention: FormText = "",
    compaction: FormText = "",
) -> Response:
    """Create a topic; what is left empty comes from the plan."""
    form = TopicForm(name.strip(), partition_count.strip(), retention.strip(), bool(compaction))
    try:
        # A savepoint: what a refusal left behind is undone, and the page can still be read.
        with session.begin_nested():
            topic, operation = topics.create(
                session,
                cluster,
                name=form.name,
                partition_count=_count(form.partition_count),
                retention_ms=_retention(form.retention),
                is_compacted=form.compaction,
                now=context.clock.now(),
                request_id=request_id_of(request.scope),
            )
    except ServiceError as error:
        said = TopicForm(
            form.name,
            form.partition_count,
            form.retention,
            form.compaction,
            problem=error.message,
            field=error.field if error.field in _FIELDS else "",
        )
        return _topics_page(request, cluster, account, session, context, said, status=422)
    wake_after_commit(unit, operation)
    if request.headers.get("hx-request"):
        done = TopicForm(done=f"Topic {topic.name} is being created.")
        return _topics_page(request, cluster, account, session, context, done)
    return RedirectResponse(f"/clusters/{cluster.addon_id}/topics", 303)


@router.get("/clusters/{cluster}/topics/{topic}/delete")
def ask_delete_topic(
    request: Request,
    cluster: ClusterDep,
    topic: str,
    account: SignedInDep,
    session: SessionDep,
    context: ContextDep,
) -> Response:
    found = topics.get(session, cluster, check_path_text(topic, "topic"))
    return _delete_page(request, cluster, found, account, session, context)


@router.post("/clusters/{cluster}/topics/{topic}/delete", dependencies=[Depends(check_csrf)])
def delete_topic(
    request: Request,
    cluster: ClusterDep,
    topic: str,
    account: SignedInDep,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
    confirm: FormText = "",
) -> Response:
    """Delete a topic whose name was typed."""
    found = topics.get(session, cluster, check_path_text(topic, "topic"))
    if confirm != found.name:
        problem = "That is not the topic's name."
        return _delete_page(request, cluster, found, account, session, context, problem)
    _, operation = topics.destroy(
        session,
        cluster,
        found,
        now=context.clock.now(),
        request_id=request_id_of(request.scope),
    )
    wake_after_commit(unit, operation)
    return RedirectResponse(f"/clusters/{cluster.addon_id}/topics", 303)


_FIELDS = {"name", "partition_count", "retention_time_ms"}


def _count(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise Invalid("Write a whole number.", field="partition_count")
    return int(text)


def _retention(text: str) -> int | None:
    try:
        return parse_ms(text) if text else None
    except Invalid as error:
        raise Invalid(error.message, field="retention_time_ms") from None


def _topics_page(
    request: Request,
    cluster: Cluster,
    account: Account,
    session: Session,
    context: Context,
    form: TopicForm,
    *,
    status: int = 200,
) -> Response:
    """The topics page, or just its form where a script asked for that."""
    template = "fragments/topic_form.html" if request.headers.get("hx-request") else "topics.html"
    return page(
        request,
        template,
        status,
        **_frame(request, context, account),
        stream=f"/ui/clusters/{cluster.addon_id}/stream",
        tab="topics",
        cluster=cluster_view(session, cluster, now=context.clock.now()),
        limits=topic_limits(clusters.plan_of(cluster)),
        form=form,
    )


def _delete_page(
    request: Request,
    cluster: Cluster,
    topic: Topic,
    account: Account,
    session: Session,
    context: Context,
    problem: str = "",
) -> Response:
    return page(
        request,
        "topic_delete.html",
        422 if problem else 200,
        **_frame(request, context, account),
        tab="topics",
        cluster=cluster_view(session, cluster, now=context.clock.now()),
        topic=topic_view(topic, throughput.Rates()),
        problem=problem,
    )


BUCKET_S = 10
CHART_BUCKETS_MAX = 360
CHART_BUCKETS_MIN = 60


def history_of(session: Session, cluster: Cluster, now: dt.datetime) -> throughput.History:
    """The last hour in steps of ten seconds; of a young cluster its life, at least ten minutes."""
    age_s = (now - cluster.created_at).total_seconds()
    buckets = min(max(int(age_s // BUCKET_S) + 1, CHART_BUCKETS_MIN), CHART_BUCKETS_MAX)
    found = throughput.histories(
        session, [cluster.id], now=now, bucket_s=BUCKET_S, bucket_count=buckets
    )
    return found[cluster.id]


def plot_of(session: Session, cluster: Cluster, now: dt.datetime) -> Plot:
    history = history_of(session, cluster, now)
    top = charts.top_of(history.bytes_in, history.bytes_out)
    start, end = (dt.datetime.fromtimestamp(history.times_s[at], dt.UTC) for at in (0, -1))
    return Plot(
        has_samples=any(value is not None for value in history.bytes_in),
        bytes_in=charts.polylines(history.bytes_in, width=100, height=100, top=top),
        bytes_out=charts.polylines(history.bytes_out, width=100, height=100, top=top),
        top_text=str(figures.byte_rate(top)),
        start_text=f"{start:%H:%M} UTC",
        end_text=f"{end:%H:%M} UTC",
    )
