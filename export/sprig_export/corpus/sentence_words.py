"""The words that sentences about code are made of, whatever the code."""

from __future__ import annotations

_VERBS_TEXT = """
abort accept accumulate acquire activate add adjust advance aggregate align allocate allow analyze annotate append
apply approximate archive ask assemble assert assign associate attach authenticate authorize average back begin bind
blend block blur bring broadcast buffer build cache calculate call cancel capitalize capture cast center change check
choose clamp classify clean clear click clip clone close coerce collapse collect color combine commit compare compile
complete compose compress compute concatenate configure confirm connect construct consume contain convert convolve
copy correct count cover crawl create crop cut deactivate deallocate decide declare decode decompress decorate
decrease decrement decrypt deduce defer define delegate delete deliver denote dequeue derive describe deserialize
destroy detach detect determine disable discard disconnect discover dispatch display dispose distribute divide
download drag draw drop dump duplicate echo edit emit empty enable encode encrypt end enforce enqueue ensure enter
enumerate erase escape establish estimate evaluate exchange exclude execute exit expand explain export expose express
extend extract fetch fill filter find finish fire fit fix flag flatten flip flush focus fold follow force form format
forward free freeze gather generate get give go grab group grow guarantee guess handle hash hide highlight hold
identify ignore import include increase increment indent index indicate infer inform initialize initiate inject insert
inspect install instantiate integrate interpolate interpret intersect invalidate invert invoke issue iterate join keep
kill label launch lay leave lex limit link list listen load localize locate lock log look loop lower make map mark
mask match measure merge migrate minimize mirror mix modify monitor mount move multiply mute negate normalize notify
obtain open optimize order output override overwrite pack pad paint parse partition pass paste patch pause perform
permute persist pick place plot point poll pop populate position post predict prefix prepare prepend preprocess
present preserve press prevent print process produce project promote prompt propagate provide prune publish pull purge
push put query queue quit quote raise randomize read rebuild recalculate receive recognize recommend reconcile
reconnect reconstruct record recover recreate rectify redirect reduce refresh register reject release reload relocate
remember remove rename render reorder repeat replace replicate reply report represent request require rerun rescale
reserve reset reshape resize resolve respond restart restore restrict resume retrieve retry return reuse reverse
revert revoke rewind rewrite roll rotate round route run sample sanitize save scale scan schedule score scroll search
select send separate serialize serve set setup shift show shrink shuffle shut sign signal simplify simulate skip sleep
slice smooth snap solve sort specify split stack start stop store stream strip style submit subscribe substitute
subtract sum summarize suppress suspend swap switch synchronize take tell terminate toggle tokenize trace track train
transfer transform translate transmit transpose traverse trigger trim truncate turn unbind undo unescape uninstall
union unload unlock unmount unpack unregister unsubscribe unwrap unzip update upgrade upload use validate verify visit
visualize wait wake walk warn watch weigh widen wrap write yield zip zoom
"""
VERBS = frozenset(_VERBS_TEXT.split())
"""Base forms of what functions do. None that is a noun first of all ("document", "result"): it may begin a sentence
without a verb."""

_FILLER_TEXT = """
a about after against all along already also although always among an and another any anything are as at back based be
because been before being between both but by can could did do does done down during each either else even every
everything exactly exist existing exists first for from further given has have here how if in indeed instead into is
it its itself just last least less like many more most much no nor not nothing now of off on once one only onto or
other others otherwise out over own per rather same so some such than that the their them then there therefore these
they this those three through thus to together too toward towards two under unless until up upon used using via was
were what whatever when where whether which while who whole whose why with within without yes yet
"""
FILLER = frozenset(_FILLER_TEXT.split())
"""Words that hold a sentence together and may stand in any."""

_COMMON_TEXT = """
absolute access action active actual additional address argument array associated attribute available base beginning
binary bit block boolean bottom buffer byte cache call caller case change character child children class client code
collection color column command complete component condition configuration connection constant contained content
context copy corresponding count current data date default definition depth destination difference dimension directory
distance document duplicate edge element empty end entity entry equal error event exception execution expression
extension false field file final flag float folder form format found frame free full global graph group handler hash
header height high horizontal identifier image index information initial inner input instance integer internal invalid
item iterator key kind label large left length level line link list local location lock log long loop lower map
mapping match maximum member memory message metadata minimum missing mode model module name negative nested network
new next node none null number numeric object old open operation operator option order original outer output package
page pair parent part path pattern percentage pixel point pointer port position positive possible prefix present
previous process program property queue random range raw reader record reference region relative remaining request
resource response result returned right root row scale schema scope screen segment selected sequence server session
set setting shape short signature simple single size slot small source space specific specified stack start state
status step stream string structure style subset suffix sum supplied table tag target template temporary text thread
time timestamp token top total transaction tree true tuple type unique unit unknown upper url user valid value
variable vector vertical view width window word writer zero
"""
COMMON = frozenset(_COMMON_TEXT.split())
"""Nouns and adjectives that any programmer may use of any code, whether they stand in it or not."""
