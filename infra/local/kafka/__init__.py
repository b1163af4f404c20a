"""A real Apache Kafka broker on one node (KRaft): its jars from Maven Central by a lock with checksums, any Java >= 17."""
