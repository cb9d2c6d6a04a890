"""From a circuit to Brian2 objects: the front that all back ends share."""
