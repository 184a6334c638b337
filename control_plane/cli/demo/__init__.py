"""`ottla demo`: the main job as a newcomer would do it, through public doors only.

It starts `ottla up` as a detached process and from then on is a REST client and a Kafka client:
what it shows is what anyone can do with an add-on's config vars.
"""
