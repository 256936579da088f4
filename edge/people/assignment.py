"""Assignment: the pairing of two groups with the largest sum of weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_pairs(weights: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column) with the largest total weight, each row and column at most once, sorted by row.

    `weights` is (rows, columns); a pair with a weight of 0 or less is never made. Optimal, by shortest augmenting paths
    with potentials (the Hungarian method: Kuhn 1955; Jonker and Volgenant 1987), in O(rows^2 * columns).
    Raises ValueError where a weight is not finite.
    """
    if not np.isfinite(weights).all():
        raise ValueError("every weight must be finite")
    if weights.size == 0:
        return []
    rows, columns = (places.tolist() for places in np.nonzero(weights > 0))
    if len(set(rows)) == len(rows) and len(set(columns)) == len(columns):  # no two compete, as nearly always
        return list(zip(rows, columns, strict=True))
    if weights.shape[0] > weights.shape[1]:
        return sorted((row, column) for column, row in best_pairs(weights.T))
    # A forbidden pair costs as much as staying alone, so that the solution always exists and the pair is dropped below.
    cost = -np.maximum(weights, 0.0)
    row_of = _assign_rows(cost)
    pairs = ((int(row), column) for column, row in enumerate(row_of) if row >= 0)
    return sorted((row, column) for row, column in pairs if weights[row, column] > 0)


def _assign_rows(cost: NDArray[np.float64]) -> NDArray[np.intp]:
    """The row given to each column, -1 for none, of the cheapest assignment of every row; rows <= columns."""
    rows, columns = cost.shape
    row_price = np.zeros(rows)
    column_price = np.zeros(columns)
    row_of = np.full(columns, -1, dtype=np.intp)
    for start in range(rows):
        # Dijkstra over reduced costs, from the new row to the nearest column that is still free.
        distance = np.full(columns, np.inf)
        came_from = np.full(columns, -1, dtype=np.intp)
        done = np.zeros(columns, dtype=bool)
        row, column, travelled = start, -1, 0.0
        while row >= 0:
            through = travelled + cost[row] - row_price[row] - column_price
            shorter = ~done & (through < distance)
            distance[shorter] = through[shorter]
            came_from[shorter] = column
            column = int(np.argmin(np.where(done, np.inf, distance)))
            travelled = float(distance[column])
            done[column] = True
            row = int(row_of[column])
        end = column
        row_price[start] += travelled
        # The last column was only reached, not passed through: its price stays.
        for passed in np.flatnonzero(done):
            if passed != end:
                row_price[row_of[passed]] += travelled - distance[passed]
                column_price[passed] -= travelled - distance[passed]
        while column >= 0:
            before = int(came_from[column])
            row_of[column] = start if before < 0 else row_of[before]
            column = before
    return row_of
