def area(width, height, unit="m"):
    """
    Compute the area of a C{Rectangle} with B{two} sides.

    See L{Circle.area<shapes.Circle.area>} and U{the page<https://example.org/area>}.

    @param width: the width, in I{metres}
    @type width: C{float}
    @param height: the height,
        which goes on
    @keyword unit: the unit
    @return: the area
    @rtype: float
    @raise ValueError: if a side is negative
    @note: Sides are not checked.
    """
    return width * height
