"""What the agents of a cluster over several nodes are told."""

from tests.factories.control_plane import World


def test_every_broker_knows_the_agents_of_all_nodes(world: World) -> None:
    """Each agent has an identity of its own, and asks brokers of other nodes, too."""
    world.register_node()
    world.add_node("node-2")
    world.add_node("node-3")
    _, operation = world.add_addon(world.add_app(world.add_account()), plan="standard-0")
    world.settle(operation.id)
    specs = [agent.spec for agent in (world.agent, *world.others)]
    shares = [spec.clusters[0] for spec in specs if spec is not None]
    own = {share.admin_principal for share in shares}
    assert len(own) == len(shares) == 3
    assert all(set(share.admin_principals) == own for share in shares)
    assert all(len(share.members) == 3 and share.peers == "tls" for share in shares)
